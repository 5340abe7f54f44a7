"""Deleting tenants and projects: hidden at once, gone for good later, and until then a deletion can be taken back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy import select, update

from aiplatform.core.clock import Clock
from aiplatform.core.errors import AIPlatformError, ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.erasing import erase_rows
from aiplatform.storage.tables.tenancy import projects, tenants
from aiplatform.tenancy import store
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.directory import DEFAULT_PROJECT, DEFAULT_TENANT, checked_name, unknown_tenant
from aiplatform.tenancy.limits import SECOND_NS
from aiplatform.tenancy.model import Caller, Project, Tenant

logger = logging.getLogger(__name__)

GRACE_S: Final = 7 * 86_400.0
LEAST_GRACE_S: Final = 15.0
"""Entries that know a caller let them in for some seconds more; what these write must be there to be deleted."""


class Deletions:
    """Marks what shall go, and lets it go when its time has come."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def delete_tenant(self, caller: Caller, tenant_id: str, *, grace_s: float = GRACE_S) -> Tenant:
        """Let nobody of a tenant in, and remove everything of it when the grace ends.

        Raises:
            NotFoundError: There is none of that id.
            PermissionDeniedError: It is the caller's own, or the platform's.
            InvalidError: The grace is negative or longer than a year.
        """
        if tenant_id in {caller.tenant_id, DEFAULT_TENANT}:
            raise PermissionDeniedError(
                N_("The tenant {name!r} cannot be deleted: it is your own, or the platform's."),
                reason="tenant.own",
                name=tenant_id,
            )
        now_ns, until_ns = self._clock.now_ns(), self._until(grace_s)
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            known = store.tenant_of(tx)
            if known is None:
                raise unknown_tenant(tenant_id)
            suspended_ns = known.suspended_ns or now_ns
            tx.execute(update(tenants).values(suspended_ns=suspended_ns, delete_after_ns=until_ns))
            record(tx, caller.principal, "tenants.delete", tenant_id, now_ns=now_ns, after_ns=until_ns)
            changed = store.tenant_of(tx)
        # The tenant's own log goes with it.
        with self._database.transaction(caller.tenant_scope) as tx:
            record(tx, caller.principal, "tenants.delete", tenant_id, now_ns=now_ns, after_ns=until_ns)
        self._authenticator.forget()
        return changed or known

    def delete_project(self, caller: Caller, project_id: str, *, grace_s: float = GRACE_S) -> Project:
        """Hide a project, and remove everything of it when the grace ends.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is the tenant's `default`.
            InvalidError: The grace is negative or longer than a year.
        """
        if project_id == DEFAULT_PROJECT:
            raise ConflictError(
                N_("The project {name!r} stays while its tenant does."), reason="project.default", name=project_id
            )
        return self._mark(caller, project_id, self._until(grace_s), "projects.delete")

    def restore_project(self, caller: Caller, project_id: str) -> Project:
        """Take the deletion of a project back.

        Raises:
            NotFoundError: There is none of that id, or it is gone for good.
        """
        return self._mark(caller, project_id, None, "projects.restore")

    def rename_project(self, caller: Caller, project_id: str, name: str) -> Project:
        """Give a project another name, as people read it; its id stays.

        Raises:
            NotFoundError: There is none of that id.
            InvalidError: It cannot be a name.
        """
        name = checked_name(name)
        with self._database.transaction(caller.tenant_scope) as tx:
            known = _reached(tx, caller, project_id)
            store.rename_project(tx, project_id, name)
            record(tx, caller.principal, "projects.rename", project_id, now_ns=self._clock.now_ns(), name=name)
            return store.project_of(tx, project_id) or known

    def due(self) -> list[Scope]:
        """Everything whose time has come: tenants, then projects."""
        now_ns = self._clock.now_ns()
        with self._database.system("find what is deleted", write=False) as tx:
            gone = tx.execute(select(tenants.c.tenant_id).where(tenants.c.delete_after_ns <= now_ns)).scalars().all()
            parts = tx.execute(
                select(projects.c.tenant_id, projects.c.project_id).where(projects.c.delete_after_ns <= now_ns)
            ).all()
        whole = [Scope(tenant_id=tenant_id) for tenant_id in gone]
        return whole + [Scope(tenant_id=one.tenant_id, project_id=one.project_id) for one in parts]

    def carry_out(self, delete_scope: Callable[[Scope], object]) -> int:
        """Remove what is due; returns how many tenants and projects. What fails is tried again the next time.

        Args:
            delete_scope: What every room does: files, indexes, other databases. Rows of the platform's own tables
                go last, so that a crash between leaves the mark by which it goes on.
        """
        done = 0
        for scope in self.due():
            try:
                delete_scope(scope)
                erase_rows(self._database, scope)
            except AIPlatformError:
                logger.warning("a deletion waits", exc_info=True, extra={"tenant_id": scope.tenant_id})
                continue
            self._authenticator.forget()
            done += 1
        return done

    def _mark(self, caller: Caller, project_id: str, until_ns: int | None, action: str) -> Project:
        now_ns = self._clock.now_ns()
        with self._database.transaction(caller.tenant_scope) as tx:
            known = _reached(tx, caller, project_id)
            store.mark_project(tx, project_id, until_ns)
            record(tx, caller.principal, action, project_id, now_ns=now_ns, after_ns=until_ns)
            changed = store.project_of(tx, project_id)
        self._authenticator.forget()
        return changed or known

    def _until(self, grace_s: float) -> int:
        if not 0 <= grace_s <= 365 * 86_400:
            raise InvalidError(
                N_("A deletion cannot wait for {seconds:g} seconds."),
                hint=N_("Give 0 to 365 days."),
                reason="deletion.grace",
                seconds=grace_s,
            )
        return self._clock.now_ns() + round(max(grace_s, LEAST_GRACE_S) * SECOND_NS)


def _reached(tx: Transaction, caller: Caller, project_id: str) -> Project:
    """The project, where the caller's key reaches it."""
    known = store.project_of(tx, project_id)
    if known is None or (caller.is_project_bound and project_id != caller.project_id):
        raise unknown_project(project_id)
    return known


def unknown_project(project_id: str) -> NotFoundError:
    """The error of a project that there is not."""
    return NotFoundError(
        N_("There is no project {name!r}."),
        hint=N_("`aiplatform projects list` shows those there are."),
        reason="project.unknown",
        name=project_id,
    )
