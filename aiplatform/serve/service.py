"""Use cases of deployments: wanting, looking, undoing. Running them is the reconciler's work."""

from __future__ import annotations

from collections.abc import Sequence

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.scope import Scope
from aiplatform.serve.model import Deployment, DeploymentSpec, Revision
from aiplatform.serve.ports import Capacity, ModelVersions
from aiplatform.serve.store import DeploymentStore
from aiplatform.tenancy.model import Caller


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
            PermissionDeniedError: The tenant has no cluster to run code on.
            NotFoundError: The registered version does not exist.
            ConflictError: The cluster can never hold it.
        """
        raise NotImplementedError

    def list(self, scope: Scope) -> Sequence[Deployment]:
        """Every deployment of the project, what needs action first."""
        raise NotImplementedError

    def get(self, scope: Scope, name: str) -> Deployment:
        """One deployment.

        Raises:
            NotFoundError: The project has none of this name.
        """
        raise NotImplementedError

    def revisions(self, scope: Scope, name: str) -> Sequence[Revision]:
        """Every revision, newest first."""
        raise NotImplementedError

    def rollback(self, caller: Caller, name: str, *, to: int | None = None) -> Deployment:
        """Want an older revision's spec again: by default the one before the current."""
        raise NotImplementedError

    def delete(self, caller: Caller, name: str) -> None:
        """Want it no more; its replicas end. One that is not there is no error."""
        raise NotImplementedError
