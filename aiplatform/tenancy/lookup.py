"""The one question that is asked across tenants on every request: whose is this key, or this session?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, and_, or_, select, update

from aiplatform.storage.database import Database
from aiplatform.storage.tables.tenancy import api_keys, browser_sessions, members, projects, tenant_specs, tenants
from aiplatform.tenancy.credentials import Credential
from aiplatform.tenancy.lease_store import limits_of
from aiplatform.tenancy.limits import Limits
from aiplatform.tenancy.model import KeyKind
from aiplatform.tenancy.permissions import Permission, Role

USER: str = "user:"
_TENANT: Final = select(tenants.c.suspended_ns, tenant_specs.c.quotas).outerjoin(
    tenant_specs, tenant_specs.c.tenant_id == tenants.c.tenant_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a valid key or session stands for."""

    tenant_id: str
    key_id: str
    owner: str
    role: Role
    member_role: Role | None
    """The owner's role in the tenant, where the owner is a person."""

    scopes: frozenset[Permission] | None
    bound_project_id: str | None
    project_ids: tuple[str, ...]
    is_service: bool
    is_suspended: bool
    """Whether the tenant is."""

    limits: Limits
    expires_ns: int | None
    last_used_ns: int | None


def find_standing(database: Database, credential: Credential, now_ns: int) -> Standing | None:
    """What the credential stands for; None where it opens nothing: unknown, expired, revoked, its owner gone."""
    query = select(api_keys)
    if credential.is_session:
        same_key = and_(
            browser_sessions.c.tenant_id == api_keys.c.tenant_id, browser_sessions.c.key_id == api_keys.c.id
        )
        query = (
            query.add_columns(browser_sessions.c.expires_ns.label("session_expires_ns"))
            .join(browser_sessions, same_key)
            .where(browser_sessions.c.token_hash == credential.digest, browser_sessions.c.expires_ns > now_ns)
        )
    else:
        query = query.where(api_keys.c.secret_hash == credential.digest)
    alive = or_(api_keys.c.expires_ns.is_(None), api_keys.c.expires_ns > now_ns)
    with database.system("authenticate", write=False) as tx:
        row = tx.execute(query.where(api_keys.c.revoked_ns.is_(None), alive)).one_or_none()
        if row is None:
            return None
        member_role: str | None = None
        if row.owner.startswith(USER):
            same = (members.c.tenant_id == row.tenant_id, members.c.email == row.owner.removeprefix(USER))
            member_role = tx.execute(select(members.c.role).where(*same)).scalar()
            if member_role is None:
                return None
        of_tenant = select(projects.c.project_id).where(
            projects.c.tenant_id == row.tenant_id, projects.c.delete_after_ns.is_(None)
        )
        project_ids = tuple(tx.execute(of_tenant.order_by(projects.c.project_id)).scalars())
        tenant = tx.execute(_TENANT.where(tenants.c.tenant_id == row.tenant_id)).one_or_none()
    is_open = (
        row.project_id is None or row.project_id in project_ids
    )  # a key of a project that is deleted opens nothing
    return _standing(row, member_role, project_ids, tenant) if project_ids and tenant and is_open else None


def touch_key(database: Database, standing: Standing, now_ns: int, *, at_most_every_ns: int) -> None:
    """Write down that a key was used, unless another process did so a moment ago."""
    stale = or_(api_keys.c.last_used_ns.is_(None), api_keys.c.last_used_ns <= now_ns - at_most_every_ns)
    same = (api_keys.c.tenant_id == standing.tenant_id, api_keys.c.id == standing.key_id)
    with database.system("record use") as tx:
        tx.execute(update(api_keys).where(*same, stale).values(last_used_ns=now_ns))


def _standing(row: Row[Any], member_role: str | None, project_ids: tuple[str, ...], tenant: Row[Any]) -> Standing:
    ends = [at for at in (row.expires_ns, getattr(row, "session_expires_ns", None)) if at is not None]
    return Standing(
        tenant_id=row.tenant_id,
        key_id=row.id,
        owner=row.owner,
        role=Role(row.role),
        member_role=Role(member_role) if member_role else None,
        scopes=None if row.scopes is None else frozenset(Permission(name) for name in row.scopes),
        bound_project_id=row.project_id,
        project_ids=project_ids,
        is_service=row.kind == KeyKind.SERVICE,
        is_suspended=tenant.suspended_ns is not None,
        limits=limits_of(tenant.quotas),
        expires_ns=min(ends, default=None),
        last_used_ns=row.last_used_ns,
    )
