"""Use cases of deployments: wanting, looking, undoing. Running them is the reconciler's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.serve.model import Deployment, DeploymentSpec, Protocol, Revision, checked
from aiplatform.serve.policy import refusal, urgency
from aiplatform.serve.ports import Capacity, ModelVersions
from aiplatform.serve.store import DeploymentStore
from aiplatform.tenancy.model import Caller

MLFLOW_ENGINE: Final = "aiplatform.serve.engines:MlflowModel"


class Deployments:
    """Deployments of a project: their wanted state is rows, so that it outlives every process."""

    def __init__(
        self,
        store: DeploymentStore,
        *,
        capacity: Capacity,
        versions: ModelVersions,
        trusted_tenant: str = "default",
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._capacity = capacity
        self._versions = versions
        self._trusted_tenant = trusted_tenant
        self._clock = clock or SystemClock()

    def apply(self, caller: Caller, spec: DeploymentSpec) -> Deployment:
        """Want this. Applying what is wanted already changes nothing; anything else is a new revision.

        Raises:
            InvalidError: A value is wrong.
            PermissionDeniedError: The tenant has no cluster to run code on.
            NotFoundError: The registered version does not exist.
            ConflictError: The cluster can never hold it.
        """
        self._require_cluster(caller)
        spec = self._pinned(caller, checked(spec))
        self._require_room(caller.scope, spec)
        return self._store.save(caller.scope, spec, author=caller.principal, now_ns=self._clock.now_ns())

    def list(self, scope: Scope) -> Sequence[Deployment]:
        """Every deployment of the project, what needs somebody first."""
        return sorted(self._store.list(scope), key=lambda found: (urgency(found.state.status), found.name))

    def get(self, scope: Scope, name: str) -> Deployment:
        """One deployment.

        Raises:
            NotFoundError: The project has none of this name.
        """
        found = self._store.get(scope, name)
        if found is None:
            raise _unknown(name)
        return found

    def revisions(self, scope: Scope, name: str) -> Sequence[Revision]:
        """Every revision, newest first.

        Raises:
            NotFoundError: The project has no deployment of this name.
        """
        found = self._store.revisions(scope, name)
        if not found:
            raise _unknown(name)
        return found

    def rollback(self, caller: Caller, name: str, *, to: int | None = None) -> Deployment:
        """Want an older revision's spec again, as a new revision.

        Args:
            caller: Who wants it.
            name: The deployment.
            to: The revision; by default the newest whose spec differs from the wanted one.

        Raises:
            NotFoundError: There is no such deployment or revision.
            ConflictError: Nothing older differs, or the cluster cannot hold it any more.
        """
        self._require_cluster(caller)
        history = self.revisions(caller.scope, name)
        current = history[0]
        if to is None:
            older = next((revision for revision in history[1:] if revision.spec != current.spec), None)
            if older is None:
                raise ConflictError(
                    N_("The deployment {name!r} has no earlier revision to go back to."),
                    hint=N_("`aiplatform deployments get` lists its revisions."),
                    reason="deployment.no_revision",
                    name=name,
                )
        else:
            older = next((revision for revision in history if revision.number == to), None)
            if older is None:
                raise NotFoundError(
                    N_("The deployment {name!r} has no revision {number}."),
                    hint=N_("`aiplatform deployments get` lists its revisions."),
                    reason="deployment.no_revision",
                    name=name,
                    number=to,
                )
        self._require_room(caller.scope, older.spec)
        return self._store.save(
            caller.scope,
            older.spec,
            author=caller.principal,
            now_ns=self._clock.now_ns(),
            restored_from=older.number,
        )

    def delete(self, caller: Caller, name: str) -> None:
        """Want it no more; its replicas end soon after.

        Raises:
            NotFoundError: The project has none of this name.
        """
        if not self._store.remove(caller.scope, name, author=caller.principal, now_ns=self._clock.now_ns()):
            raise _unknown(name)

    def delete_scope(self, scope: Scope) -> None:
        """Forget everything of a tenant, or of one project of it."""
        self._store.remove_all(scope)

    def _require_cluster(self, caller: Caller) -> None:
        if caller.tenant_id != self._trusted_tenant:
            raise PermissionDeniedError(
                N_("The tenant {tenant!r} has no cluster of its own yet, so nothing of it can be deployed."),
                hint=N_("Traces, data sets and stored answers work without one."),
                reason="deployment.no_tenant_cluster",
                tenant=caller.tenant_id,
            )

    def _pinned(self, caller: Caller, spec: DeploymentSpec) -> DeploymentSpec:
        """The spec with the version's number for its alias, and the class that runs it."""
        ref = spec.version_ref
        if ref is None:
            return spec
        found = self._versions.resolve(caller, ref)
        engine = spec.engine or found.loader or (MLFLOW_ENGINE if spec.protocol is Protocol.INFER else None)
        if engine is None:
            raise InvalidError(
                N_("The version {version!r} does not say which class runs it."),
                hint=N_("Give `engine`, the class as package.module:Class, or register the version with a loader."),
                reason="deployment.no_engine",
                version=str(ref),
            )
        return replace(spec, target=f"models:/{found.name}/{found.version}", engine=engine)

    def _require_room(self, scope: Scope, spec: DeploymentSpec) -> None:
        mine = (scope.tenant_id, scope.project_id, spec.name)
        others = (
            row.deployment.spec
            for row in self._store.wanted("capacity")
            if (row.deployment.tenant_id, row.deployment.project_id, row.deployment.name) != mine
        )
        problem = refusal(spec, others, self._capacity.nodes())
        if problem is not None:
            raise problem


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no deployment {name!r} in this project."),
        hint=N_("`aiplatform deployments list` shows what there is."),
        reason="deployment.unknown",
        name=name,
    )
