"""Tenants, their projects and their members."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from aiplatform.core.clock import Clock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.tenancy import tenants
from aiplatform.tenancy import policy, store
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.key_service import KeyOrder, make_key, unknown_member
from aiplatform.tenancy.model import Caller, KeyKind, Member, NewKey, NewTenant, Project, Tenant
from aiplatform.tenancy.names import check_name
from aiplatform.tenancy.permissions import Role

DEFAULT_TENANT: Final = "default"
DEFAULT_PROJECT: Final = "default"
OWNER_EMAIL: Final = "owner@localhost"
MAX_NAME_CHARACTERS: Final = 200
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
_PLATFORM: Final = "service:platform"
ADMINS: Final = frozenset({Role.ADMIN, Role.PLATFORM_ADMIN})


class Directory:
    """Who and what there is: the tenants, and inside one of them projects and members."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def tenants(self) -> list[Tenant]:
        """Every tenant, by id. For platform admins and the worker."""
        with self._database.system("list tenants", write=False) as tx:
            rows = tx.execute(select(tenants).order_by(tenants.c.tenant_id)).all()
        return [store.as_tenant(row) for row in rows]

    def tenant(self, caller: Caller) -> Tenant:
        """The caller's own tenant."""
        with self._database.read(caller.tenant_scope) as tx:
            found = store.tenant_of(tx)
        if found is None:
            raise unknown_tenant(caller.tenant_id)
        return found

    def create_tenant(
        self, caller: Caller, tenant_id: str, *, name: str | None = None, admin_email: str | None = None
    ) -> NewTenant:
        """Make a tenant with a project `default`, its first admin, and that admin's key.

        Raises:
            InvalidError: The id or the address cannot be one.
            ConflictError: There is such a tenant.
        """
        check_name(tenant_id, N_("tenant"))
        email = checked_email(admin_email or f"admin@{tenant_id}")
        try:
            with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
                made = self._found(tx, checked_name(name or tenant_id), email, Role.ADMIN, caller.principal)
        except IntegrityError:
            raise _exists(N_("There is a tenant {name!r} already."), tenant_id) from None
        return made

    def ensure_default(self, known_key: str | None) -> NewKey | None:
        """Make what a fresh platform needs: tenant and project `default`, its owner, and the owner's key.

        Args:
            known_key: The owner's key, where an earlier start left one.

        Returns:
            A new key of the owner where `known_key` is none or opens nothing any more; else None.
        """
        with self._database.transaction(Scope(tenant_id=DEFAULT_TENANT)) as tx:
            if store.tenant_of(tx) is None:
                return self._found(tx, DEFAULT_TENANT, OWNER_EMAIL, Role.PLATFORM_ADMIN, _PLATFORM).admin_key
        if known_key is not None and self._authenticator.is_valid(known_key, DEFAULT_TENANT):
            return None
        with self._database.transaction(Scope(tenant_id=DEFAULT_TENANT)) as tx:
            self._ensure_owner(tx)
            return make_key(tx, first_key(OWNER_EMAIL, Role.PLATFORM_ADMIN, _PLATFORM), self._clock.now_ns())

    def projects(self, caller: Caller, *, deleted: bool = False) -> list[Project]:
        """The projects that the caller can work in, by id; or those that are deleted and not yet gone."""
        with self._database.read(caller.tenant_scope) as tx:
            found = store.projects_of(tx)
        shown = [one for one in found if (one.delete_after_ns is not None) == deleted]
        return [one for one in shown if not caller.is_project_bound or one.project_id == caller.project_id]

    def create_project(self, caller: Caller, project_id: str, *, name: str | None = None) -> Project:
        """Make a project.

        Raises:
            InvalidError: The id cannot be one.
            ConflictError: There is such a project.
        """
        check_name(project_id, N_("project"))
        now_ns = self._clock.now_ns()
        project = Project(project_id=project_id, name=checked_name(name or project_id), created_ns=now_ns)
        try:
            with self._database.transaction(caller.tenant_scope) as tx:
                store.insert_project(tx, project)
                record(tx, caller.principal, "projects.create", project_id, now_ns=now_ns)
        except IntegrityError:
            raise _exists(N_("There is a project {name!r} already."), project_id) from None
        self._authenticator.forget()
        return project

    def members(self, caller: Caller) -> list[Member]:
        """Every member of the caller's tenant, by address."""
        with self._database.read(caller.tenant_scope) as tx:
            return store.members_of(tx)

    def put_member(self, caller: Caller, email: str, role: Role, *, name: str | None = None) -> Member:
        """Add a member, or give one another role or name.

        Raises:
            PermissionDeniedError: The role, or the one that the member has, is above the caller's.
            ConflictError: It would leave the tenant without an admin.
        """
        policy.check_may_give(caller, role)
        email = checked_email(email)
        now_ns = self._clock.now_ns()
        with self._database.transaction(caller.tenant_scope) as tx:
            known = store.member_of(tx, email)
            if known is not None:
                policy.check_may_give(caller, known.role)
                self._check_admin_stays(tx, known, role)
            member = Member(
                email=email,
                name=checked_name(name or (known.name if known else email)),
                role=role,
                created_ns=known.created_ns if known else now_ns,
            )
            store.put_member(tx, member)
            record(tx, caller.principal, "members.put", email, now_ns=now_ns, role=str(role))
        self._authenticator.forget()
        return member

    def remove_member(self, caller: Caller, email: str) -> None:
        """Take a member out; their keys open nothing from then on.

        Raises:
            NotFoundError: There is no such member.
            PermissionDeniedError: The member's role is above the caller's.
            ConflictError: It is the tenant's last admin.
        """
        with self._database.transaction(caller.tenant_scope) as tx:
            known = store.member_of(tx, email)
            if known is None:
                raise unknown_member(email)
            policy.check_may_give(caller, known.role)
            self._check_admin_stays(tx, known, None)
            store.delete_member(tx, email)
            record(tx, caller.principal, "members.remove", email, now_ns=self._clock.now_ns())
        self._authenticator.forget()

    def _found(self, tx: Transaction, name: str, email: str, role: Role, principal: str) -> NewTenant:
        now_ns = self._clock.now_ns()
        tenant = Tenant(tenant_id=tx.scope.tenant_id, name=name, created_ns=now_ns)
        store.insert_tenant(tx, tenant)
        store.insert_project(tx, Project(project_id=DEFAULT_PROJECT, name=DEFAULT_PROJECT, created_ns=now_ns))
        store.put_member(tx, Member(email=email, name=email, role=role, created_ns=now_ns))
        record(tx, principal, "tenants.create", tenant.tenant_id, now_ns=now_ns, admin=email)
        return NewTenant(tenant=tenant, admin_key=make_key(tx, first_key(email, role, principal), now_ns))

    def _ensure_owner(self, tx: Transaction) -> None:
        owner = store.member_of(tx, OWNER_EMAIL)
        if owner is None or owner.role is not Role.PLATFORM_ADMIN:
            now_ns = self._clock.now_ns()
            member = Member(email=OWNER_EMAIL, name=OWNER_EMAIL, role=Role.PLATFORM_ADMIN, created_ns=now_ns)
            store.put_member(tx, member)
            record(tx, _PLATFORM, "members.put", OWNER_EMAIL, now_ns=now_ns, role=str(member.role))

    def _check_admin_stays(self, tx: Transaction, member: Member, role: Role | None) -> None:
        if member.role not in ADMINS or role in ADMINS:
            return
        if not any(other.role in ADMINS for other in store.members_of(tx) if other.email != member.email):
            raise ConflictError(
                N_("{name!r} is the last admin here."),
                hint=N_("Make somebody else an admin first."),
                reason="member.last_admin",
                name=member.email,
            )


def unknown_tenant(tenant_id: str) -> NotFoundError:
    """The error of a tenant that there is not."""
    return NotFoundError(
        N_("There is no tenant {name!r}."),
        hint=N_("`aiplatform tenants list` shows those there are."),
        reason="tenant.unknown",
        name=tenant_id,
    )


def first_key(email: str, role: Role, principal: str) -> KeyOrder:
    """The key that a tenant's first admin gets."""
    return KeyOrder(kind=KeyKind.API, name="first key", owner=f"user:{email}", role=role, created_by=principal)


def _exists(message: str, name: str) -> ConflictError:
    return ConflictError(message, hint=N_("Choose another name."), reason="name.taken", name=name)


def checked_name(name: str) -> str:
    """A name as people read it.

    Raises:
        InvalidError: It is empty, longer than 200 characters, or not printable.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidError(
            N_("{name!r} cannot be a name."),
            hint=N_("Use 1 to 200 printable characters."),
            reason="name.invalid",
            name=name[:MAX_NAME_CHARACTERS],
        )
    return name


def checked_email(email: str) -> str:
    """An e-mail address in lower case.

    Raises:
        InvalidError: It is none.
    """
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise InvalidError(
            N_("{email!r} is not an e-mail address."),
            hint=N_("A member is known by one, such as lin@example.com."),
            reason="member.email",
            email=email[:254],
        )
    return email
