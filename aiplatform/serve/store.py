"""Deployments as rows: what is wanted and what was seen, one row each; and every revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from sqlalchemy import Select, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.serve.model import (
    Deployment,
    DeploymentSpec,
    DeploymentState,
    Revision,
    Status,
    application_name,
    spec_from,
)
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.serve import deployment_revisions, deployments
from aiplatform.tenancy.audit import record

MAX_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRow:
    """A deployment as the reconciler needs it."""

    deployment: Deployment
    deployed_revision_id: str | None
    """The revision that the cluster was given last."""


class DeploymentStore:
    """Where the wanted state rests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, scope: Scope, spec: DeploymentSpec, *, author: str, now_ns: int, restored_from: int | None = None
    ) -> Deployment:
        """Make `spec` the wanted one, as a new revision.

        Where it is that already, nothing changes, save that one that failed is tried again at once.

        Args:
            scope: Tenant and project.
            spec: What is wanted.
            author: Who wants it.
            now_ns: The time.
            restored_from: The revision whose spec this is, for a rollback.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return self._save(scope, spec, author, now_ns, restored_from)
            except IntegrityError:
                # Somebody applied at the same moment and took the number; theirs stands, ours comes after it.
                if attempt == MAX_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _save(
        self, scope: Scope, spec: DeploymentSpec, author: str, now_ns: int, restored_from: int | None
    ) -> Deployment:
        application = application_name(scope, spec.name)
        with self._database.transaction(scope) as tx:
            current = _one(tx, application)
            if current is not None and current.spec == spec:
                return _again(tx, current, now_ns)
            revision = Revision(
                number=1 if current is None else current.current.number + 1,
                revision_id=new_id("rev", now_ns),
                spec=spec,
                author=author,
                created_ns=now_ns,
                restored_from=restored_from,
            )
            tx.insert(insert(deployment_revisions), _revision_row(application, revision))
            action = "deployments.apply" if restored_from is None else "deployments.rollback"
            record(tx, author, action, spec.name, now_ns=now_ns, revision=revision.number, runs=spec.target)
            wanted = {"revision": revision.number, "revision_id": revision.revision_id}
            if current is None:
                state = DeploymentState(since_ns=now_ns)
                row = {"application": application, "name": spec.name, "created_ns": now_ns, **wanted}
                tx.insert(insert(deployments), {**row, **_state_row(state)})
                return _deployment(scope, revision, state, now_ns)
            # Replicas of the former revision go on answering until the new ones are there.
            state = replace(current.state, status=Status.PENDING, message=None, since_ns=now_ns)
            tx.execute(
                update(deployments)
                .where(deployments.c.application == application)
                .values(**wanted, **_state_row(state))
            )
            return replace(current, current=revision, state=state)

    def get(self, scope: Scope, name: str) -> Deployment | None:
        """One deployment; None where the project has none of this name."""
        with self._database.read(scope) as tx:
            return _one(tx, application_name(scope, name))

    def list(self, scope: Scope) -> Sequence[Deployment]:
        """Every deployment of the project."""
        with self._database.read(scope) as tx:
            return [_read(row).deployment for row in tx.execute(_select()).mappings()]

    def revisions(self, scope: Scope, name: str) -> Sequence[Revision]:
        """Every revision, newest first."""
        table = deployment_revisions
        query = (
            select(table).where(table.c.application == application_name(scope, name)).order_by(table.c.number.desc())
        )
        with self._database.read(scope) as tx:
            return [_revision(row) for row in tx.execute(query).mappings()]

    def remove(self, scope: Scope, name: str, *, author: str, now_ns: int) -> bool:
        """Forget the deployment and its revisions; whether there was one."""
        application = application_name(scope, name)
        with self._database.transaction(scope) as tx:
            found = tx.execute(delete(deployments).where(deployments.c.application == application))
            tx.execute(delete(deployment_revisions).where(deployment_revisions.c.application == application))
            if found.rowcount > 0:
                record(tx, author, "deployments.delete", name, now_ns=now_ns)
            return found.rowcount > 0

    def remove_all(self, scope: Scope) -> None:
        """Forget every deployment of a tenant, or of one project of it."""
        with self._database.transaction(scope) as tx:
            tx.execute(delete(deployments))
            tx.execute(delete(deployment_revisions))

    def wanted(self, purpose: str = "reconcile") -> Sequence[WantedRow]:
        """Every deployment of every tenant."""
        with self._database.system(purpose, write=False) as tx:
            return [_read(row) for row in tx.execute(_select()).mappings()]

    def tell(self, deployment: Deployment, state: DeploymentState, *, deployed_revision_id: str | None = None) -> None:
        """Write what was seen; where another revision is wanted meanwhile, nothing is written.

        Args:
            deployment: The deployment that was looked at.
            state: What was seen of it.
            deployed_revision_id: The revision that the cluster was given now; None: as before.
        """
        scope = Scope(tenant_id=deployment.tenant_id, project_id=deployment.project_id)
        values = _state_row(state)
        if deployed_revision_id is not None:
            values["deployed_revision_id"] = deployed_revision_id
        condition = and_(
            deployments.c.application == deployment.application,
            deployments.c.revision_id == deployment.current.revision_id,
        )
        with self._database.transaction(scope) as tx:
            tx.execute(update(deployments).where(condition).values(**values))


def _select() -> Select[Any]:
    joined = deployments.join(
        deployment_revisions,
        and_(
            deployment_revisions.c.tenant_id == deployments.c.tenant_id,
            deployment_revisions.c.application == deployments.c.application,
            deployment_revisions.c.number == deployments.c.revision,
        ),
    )
    columns = [column for column in deployments.c if column.name != "created_ns"]
    revision = deployment_revisions.c
    return (
        select(
            *columns,
            deployments.c.created_ns.label("born_ns"),
            revision.number,
            revision.spec,
            revision.author,
            revision.restored_from,
            revision.created_ns,
        )
        .select_from(joined)
        .order_by(deployments.c.application)
    )


def _again(tx: Transaction, current: Deployment, now_ns: int) -> Deployment:
    """The same spec applied again: nothing changes, but what failed is tried at once."""
    if current.state.status is not Status.FAILED:
        return current
    state = replace(current.state, status=Status.PENDING, message=None, since_ns=now_ns)
    mine = deployments.c.application == current.application
    tx.execute(update(deployments).where(mine).values(deployed_revision_id=None, **_state_row(state)))
    return replace(current, state=state)


def _one(tx: Transaction, application: str) -> Deployment | None:
    row = tx.execute(_select().where(deployments.c.application == application)).mappings().one_or_none()
    return None if row is None else _read(row).deployment


def _read(row: Mapping[Any, Any]) -> WantedRow:
    scope = Scope(tenant_id=row["tenant_id"], project_id=row["project_id"])
    state = DeploymentState(
        status=Status(row["status"]),
        message=row["message"],
        ready_replicas=row["ready_replicas"],
        seen_ns=row["seen_ns"],
        since_ns=row["since_ns"],
    )
    deployment = _deployment(scope, _revision(row), state, row["born_ns"])
    return WantedRow(deployment=deployment, deployed_revision_id=row["deployed_revision_id"])


def _deployment(scope: Scope, revision: Revision, state: DeploymentState, created_ns: int) -> Deployment:
    project_id = cast("str", scope.project_id)
    return Deployment(
        tenant_id=scope.tenant_id, project_id=project_id, current=revision, state=state, created_ns=created_ns
    )


def _revision(row: Mapping[Any, Any]) -> Revision:
    return Revision(
        number=row["number"],
        revision_id=row["revision_id"],
        spec=spec_from(row["spec"]),
        author=row["author"],
        created_ns=row["created_ns"],
        restored_from=row["restored_from"],
    )


def _revision_row(application: str, revision: Revision) -> dict[str, Any]:
    return {
        "application": application,
        "name": revision.spec.name,
        "number": revision.number,
        "revision_id": revision.revision_id,
        "spec": revision.spec.as_dict(),
        "author": revision.author,
        "restored_from": revision.restored_from,
        "created_ns": revision.created_ns,
    }


def _state_row(state: DeploymentState) -> dict[str, Any]:
    return {
        "status": state.status.value,
        "message": state.message,
        "ready_replicas": state.ready_replicas,
        "seen_ns": state.seen_ns,
        "since_ns": state.since_ns,
    }
