"""Tenants as their specifications want them: planned, applied, shown, suspended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select, update

from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.tenancy import tenant_specs, tenants
from aiplatform.tenancy import lease_store, policy, store
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.directory import (
    ADMINS,
    DEFAULT_PROJECT,
    DEFAULT_TENANT,
    checked_email,
    checked_name,
    first_key,
    unknown_tenant,
)
from aiplatform.tenancy.key_service import make_key
from aiplatform.tenancy.limits import WINDOWS_NS, Limits, Resource, window_end, window_start
from aiplatform.tenancy.model import Caller, Member, NewKey, Project, Tenant
from aiplatform.tenancy.names import check_name
from aiplatform.tenancy.spec import MemberSpec, ProjectSpec, QuotaSpec, TenantSpec


class Verb(StrEnum):
    """What happens to a thing."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs between what is wanted and what there is."""

    verb: Verb
    what: str
    """`tenant`, `project`, `member`, `quota`."""

    name: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that differs; empty where nothing does."""

    changes: tuple[Change, ...]
    unmanaged: tuple[str, ...] = ()
    """Projects that there are and that the specification does not name."""

    admin_key: NewKey | None = field(default=None, repr=False)
    """Of a tenant just made, this once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """How much of a limit is used."""

    resource: Resource
    limit: int
    used: int
    """With what entries have leased to hand out."""

    frees_ns: int | None
    """When the window ends; None for what is given back."""


class TenantSpecs:
    """Applies specifications of tenants."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def apply(self, caller: Caller, spec: TenantSpec, *, dry_run: bool = False) -> Plan:
        """Make the tenant what the specification says, all of it or nothing; applying it again changes nothing.

        Args:
            caller: Who applies it.
            spec: What is wanted.
            dry_run: Only tell what would change.

        Raises:
            InvalidError: An id, a name or an address cannot be one, one occurs twice, or nobody would be an admin.
            PermissionDeniedError: A role is above the caller's.
        """
        wanted = _checked(caller, spec)
        scope = Scope(tenant_id=spec.tenant)
        if dry_run:
            with self._database.read(scope) as tx:
                return _plan(tx, wanted)
        with self._database.transaction(scope) as tx:
            plan = _plan(tx, wanted)
            if not plan.changes:
                return plan
            key = self._carry_out(tx, caller, wanted, plan)
        self._authenticator.forget()
        return Plan(changes=plan.changes, unmanaged=plan.unmanaged, admin_key=key)

    def get(self, tenant_id: str) -> tuple[Tenant, TenantSpec]:
        """A tenant, and the specification that describes it as it is.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self._database.read(Scope(tenant_id=tenant_id)) as tx:
            tenant = store.tenant_of(tx)
            if tenant is None:
                raise unknown_tenant(tenant_id)
            return tenant, _as_it_is(tx, tenant)

    def use(self, tenant_id: str) -> tuple[QuotaUse, ...]:
        """How much of each limit of a tenant is used now."""
        now_ns = self._clock.now_ns()
        with self._database.read(Scope(tenant_id=tenant_id)) as tx:
            return tuple(_use(tx, _limits(tx), now_ns))

    def suspend(self, caller: Caller, tenant_id: str) -> Tenant:
        """Let nobody of a tenant in until it is resumed; its data stay.

        Raises:
            NotFoundError: There is none of that id.
            PermissionDeniedError: It is the caller's own, or the platform's.
        """
        if tenant_id in {caller.tenant_id, DEFAULT_TENANT}:
            raise PermissionDeniedError(
                N_("The tenant {name!r} cannot be suspended: nobody could resume it."),
                reason="tenant.own",
                name=tenant_id,
            )
        return self._set_suspended(caller, tenant_id, self._clock.now_ns(), "tenants.suspend")

    def resume(self, caller: Caller, tenant_id: str) -> Tenant:
        """Let a tenant in again; where it is deleted and not yet gone, that is taken back too.

        Raises:
            NotFoundError: There is none of that id.
        """
        return self._set_suspended(caller, tenant_id, None, "tenants.resume")

    def _set_suspended(self, caller: Caller, tenant_id: str, at_ns: int | None, action: str) -> Tenant:
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            known = store.tenant_of(tx)
            if known is None:
                raise unknown_tenant(tenant_id)
            if (known.suspended_ns is None) != (at_ns is None):
                tx.execute(update(tenants).values(suspended_ns=at_ns, delete_after_ns=None))
                record(tx, caller.principal, action, tenant_id, now_ns=self._clock.now_ns())
            changed = store.tenant_of(tx)
        self._authenticator.forget()
        return changed or known

    def _carry_out(self, tx: Transaction, caller: Caller, spec: TenantSpec, plan: Plan) -> NewKey | None:
        now_ns = self._clock.now_ns()
        is_new = store.tenant_of(tx) is None
        if is_new:
            store.insert_tenant(tx, Tenant(tenant_id=spec.tenant, name=spec.name, created_ns=now_ns))
        else:
            tx.execute(update(tenants).values(name=spec.name))
        there = {member.email: member for member in store.members_of(tx)}
        projects = {project.id: project for project in spec.projects}
        members = {member.email: member for member in spec.members}
        for change in plan.changes:
            if change.what == "project":
                _put_project(tx, projects[change.name], change.verb, now_ns)
            elif change.what == "member":
                _put_member(tx, caller, members.get(change.name), there.get(change.name), now_ns)
        _put_spec(tx, spec, caller.principal, now_ns)
        said = [f"{change.verb} {change.what} {change.name}" for change in plan.changes]
        record(tx, caller.principal, "tenants.apply", spec.tenant, now_ns=now_ns, changes=said)
        if not is_new:
            return None
        admin = next(member for member in spec.members if member.role in ADMINS)
        return make_key(tx, first_key(admin.email, admin.role, caller.principal), now_ns)


def _checked(caller: Caller, spec: TenantSpec) -> TenantSpec:
    """The specification with its defaults filled in."""
    check_name(spec.tenant, N_("tenant"))
    projects = {DEFAULT_PROJECT: ProjectSpec(id=DEFAULT_PROJECT, name=DEFAULT_PROJECT)}
    for project in spec.projects:
        check_name(project.id, N_("project"))
        projects[project.id] = ProjectSpec(id=project.id, name=checked_name(project.name or project.id))
    members: dict[str, MemberSpec] = {}
    for member in spec.members:
        policy.check_may_give(caller, member.role)
        email = checked_email(member.email)
        if email in members:
            raise _twice(email)
        members[email] = MemberSpec(email=email, role=member.role, name=checked_name(member.name or email))
    if len({project.id for project in spec.projects}) < len(spec.projects):
        raise _twice(next(one.id for one in spec.projects if [two.id for two in spec.projects].count(one.id) > 1))
    if not any(member.role in ADMINS for member in members.values()):
        raise InvalidError(
            N_("The tenant {name!r} would have no admin."),
            hint=N_("Give one of its members the role `admin`."),
            reason="tenant.no_admin",
            name=spec.tenant,
        )
    return TenantSpec(
        tenant=spec.tenant,
        name=checked_name(spec.name or spec.tenant),
        projects=tuple(projects.values()),
        members=tuple(members.values()),
        quotas=spec.quotas,
    )


def _twice(name: str) -> InvalidError:
    return InvalidError(N_("{name!r} occurs twice in the specification."), reason="tenant.spec_twice", name=name)


def _plan(tx: Transaction, wanted: TenantSpec) -> Plan:
    tenant = store.tenant_of(tx)
    there = _as_it_is(tx, tenant) if tenant else None
    changes = list(_changes(there, wanted))
    named = {project.id for project in wanted.projects}
    known = [project.id for project in there.projects] if there else []
    return Plan(changes=tuple(changes), unmanaged=tuple(name for name in known if name not in named))


def _changes(there: TenantSpec | None, wanted: TenantSpec) -> Iterator[Change]:
    name = there.name if there else None
    if name != wanted.name:
        verb = Verb.UPDATE if there else Verb.CREATE
        yield Change(verb=verb, what="tenant", name=wanted.tenant, before=name, after=wanted.name)
    before = {project.id: project.name for project in there.projects} if there else {}
    for project in wanted.projects:
        if before.get(project.id) != project.name:
            verb = Verb.UPDATE if project.id in before else Verb.CREATE
            yield Change(verb=verb, what="project", name=project.id, before=before.get(project.id), after=project.name)
    people = {member.email: member for member in there.members} if there else {}
    for member in wanted.members:
        known = people.pop(member.email, None)
        if known != member:
            verb = Verb.UPDATE if known else Verb.CREATE
            old = f"{known.role} {known.name}" if known else None
            yield Change(verb=verb, what="member", name=member.email, before=old, after=f"{member.role} {member.name}")
    for email, known in people.items():
        yield Change(verb=Verb.REMOVE, what="member", name=email, before=f"{known.role} {known.name}")
    limits = there.quotas.model_dump() if there else {}
    for quota, limit in wanted.quotas.model_dump().items():
        old_limit = limits.get(quota)
        if old_limit != limit:
            verb = Verb.REMOVE if limit is None else Verb.CREATE if old_limit is None else Verb.UPDATE
            yield Change(verb=verb, what="quota", name=quota, before=old_limit, after=limit)


def _as_it_is(tx: Transaction, tenant: Tenant) -> TenantSpec:
    """Not validated again: what a tenant of an older version is may be what no specification would make."""
    limits = _limits(tx)
    return TenantSpec.model_construct(
        tenant=tenant.tenant_id,
        name=tenant.name,
        projects=tuple(
            ProjectSpec(id=one.project_id, name=one.name)
            for one in store.projects_of(tx)
            if one.delete_after_ns is None
        ),
        members=tuple(MemberSpec(email=one.email, role=one.role, name=one.name) for one in store.members_of(tx)),
        quotas=QuotaSpec(**{resource.value: limits.of(resource) for resource in Resource}),
    )


def _limits(tx: Transaction) -> Limits:
    return lease_store.limits_of(tx.execute(select(tenant_specs.c.quotas)).scalar())


def _use(tx: Transaction, limits: Limits, now_ns: int) -> Iterator[QuotaUse]:
    for resource in Resource:
        limit = limits.of(resource)
        if limit is None:
            continue
        if resource in WINDOWS_NS:
            used = lease_store.granted_in_window(tx, resource, window_start(resource, now_ns))
            yield QuotaUse(resource=resource, limit=limit, used=used, frees_ns=window_end(resource, now_ns))
        else:
            used = lease_store.held(tx, resource, now_ns)
            yield QuotaUse(resource=resource, limit=limit, used=used, frees_ns=None)


def _put_project(tx: Transaction, project: ProjectSpec, verb: Verb, now_ns: int) -> None:
    if verb is Verb.CREATE and store.project_of(tx, project.id) is None:
        store.insert_project(tx, Project(project_id=project.id, name=project.name, created_ns=now_ns))
    else:  # one that was deleted is wanted again
        store.rename_project(tx, project.id, project.name)
        store.mark_project(tx, project.id, None)


def _put_member(tx: Transaction, caller: Caller, wanted: MemberSpec | None, known: Member | None, now_ns: int) -> None:
    if known is not None:
        policy.check_may_give(caller, known.role)
    if wanted is None:
        if known is not None:
            store.delete_member(tx, known.email)
        return
    created_ns = known.created_ns if known else now_ns
    store.put_member(tx, Member(email=wanted.email, name=wanted.name, role=wanted.role, created_ns=created_ns))


def _put_spec(tx: Transaction, spec: TenantSpec, principal: str, now_ns: int) -> None:
    values = {
        "spec": spec.model_dump(mode="json"),
        "quotas": {name: limit for name, limit in spec.quotas.model_dump().items() if limit is not None},
        "applied_ns": now_ns,
        "applied_by": principal,
    }
    if tx.execute(update(tenant_specs).values(values)).rowcount == 0:
        tx.insert(insert(tenant_specs), values)
