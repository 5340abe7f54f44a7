"""The policies of a caller's tenant and project: looked at, set and taken away, whatever they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, select

from aiplatform.core.clock import Clock
from aiplatform.core.errors import PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.tables.tracing import traces
from aiplatform.tenancy.audit import record
from aiplatform.tracing.store.policies import (
    WHOLE_TENANT,
    PolicyKind,
    StoredPolicy,
    get_policy,
    put_policy,
    remove_policy,
)

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller


class Policies:
    """Policies of one kind. Thread safe.

    Args:
        database: Where they rest.
        clock: What time it is.
        kind: What they are about.
    """

    def __init__(self, database: Database, clock: Clock, kind: PolicyKind) -> None:
        self._database = database
        self._clock = clock
        self._kind = kind

    def of(self, caller: Caller) -> tuple[StoredPolicy | None, StoredPolicy | None]:
        """What is set for the caller's whole tenant, and for the project."""
        with self._database.read(caller.tenant_scope) as tx:
            own = get_policy(tx, self._kind, caller.project_id)
            whole = get_policy(tx, self._kind, WHOLE_TENANT)
        return whole, own

    def set(self, caller: Caller, form: Mapping[str, Any], *, whole_tenant: bool, told: Mapping[str, Any]) -> None:
        """Set the policy of the caller's project, or of every project that has none of its own.

        Args:
            caller: Who sets it.
            form: The policy's JSON form.
            whole_tenant: Whether it is for every project.
            told: What the audit log says of it.

        Raises:
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        place = _place(caller, whole_tenant=whole_tenant)
        now_ns = self._clock.now_ns()
        with self._database.transaction(caller.tenant_scope) as tx:
            put_policy(tx, self._kind, place, form, principal=caller.principal, now_ns=now_ns)
            record(tx, caller.principal, f"{self._kind}.set", place or caller.tenant_id, now_ns=now_ns, **told)

    def remove(self, caller: Caller, *, whole_tenant: bool) -> bool:
        """Take a policy away; returns whether there was one. Audited.

        Raises:
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        place = _place(caller, whole_tenant=whole_tenant)
        now_ns = self._clock.now_ns()
        with self._database.transaction(caller.tenant_scope) as tx:
            is_removed = remove_policy(tx, self._kind, place)
            if is_removed:
                record(tx, caller.principal, f"{self._kind}.remove", place or caller.tenant_id, now_ns=now_ns)
        return is_removed


def projects_of(database: Database, tenant_id: str, *tables: Table) -> Iterator[Scope]:
    """The tenant's projects that have rows in one of some tables; by default those that have traces."""
    found = {project for table in tables or (traces,) for project in _projects_in(database, tenant_id, table)}
    for project_id in sorted(found):
        yield Scope(tenant_id=tenant_id, project_id=project_id)


def _projects_in(database: Database, tenant_id: str, table: Table) -> Iterator[str]:
    """The projects that have rows in a table, each found by one step in the index of the key."""
    last = ""
    while True:
        with database.read(Scope(tenant_id=tenant_id)) as tx:
            following = select(func.min(table.c.project_id)).where(table.c.project_id > last)
            found: str | None = tx.execute(following).scalar()
        if found is None:
            return
        yield found
        last = found


def _place(caller: Caller, *, whole_tenant: bool) -> str:
    """Where a policy of the caller lies."""
    if whole_tenant and caller.is_project_bound:
        raise PermissionDeniedError(
            N_("{principal} belongs to one project and cannot set what holds for all."),
            hint=N_("Use a key of the whole tenant, or set it for the project."),
            reason="policy.project_bound",
            principal=caller.principal,
        )
    return WHOLE_TENANT if whole_tenant else caller.project_id
