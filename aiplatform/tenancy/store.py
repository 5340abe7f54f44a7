"""Rows of tenants, projects, members and keys, to values and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tenancy import api_keys, members, projects, tenants
from aiplatform.tenancy.model import ApiKey, KeyKind, Member, Project, Tenant
from aiplatform.tenancy.permissions import Permission, Role


def insert_tenant(tx: Transaction, tenant: Tenant) -> None:
    """Add the tenant that the transaction is of."""
    tx.insert(insert(tenants), {"name": tenant.name, "created_ns": tenant.created_ns})


def tenant_of(tx: Transaction) -> Tenant | None:
    """The tenant that the transaction is of."""
    row = tx.execute(select(tenants)).one_or_none()
    return None if row is None else as_tenant(row)


def as_tenant(row: Row[Any]) -> Tenant:
    """A tenant from its row."""
    return Tenant(
        tenant_id=row.tenant_id,
        name=row.name,
        created_ns=row.created_ns,
        suspended_ns=row.suspended_ns,
        delete_after_ns=row.delete_after_ns,
    )


def insert_project(tx: Transaction, project: Project) -> None:
    """Add a project."""
    row = {"project_id": project.project_id, "name": project.name, "created_ns": project.created_ns}
    tx.insert(insert(projects), row)


def rename_project(tx: Transaction, project_id: str, name: str) -> None:
    """Give a project another name, as people read it."""
    tx.execute(update(projects).where(projects.c.project_id == project_id).values(name=name))


def mark_project(tx: Transaction, project_id: str, delete_after_ns: int | None) -> None:
    """Say when a project goes for good; None: it stays."""
    tx.execute(update(projects).where(projects.c.project_id == project_id).values(delete_after_ns=delete_after_ns))


def projects_of(tx: Transaction) -> list[Project]:
    """Every project of the tenant, by id, those that are deleted and not yet gone among them."""
    rows = tx.execute(select(projects).order_by(projects.c.project_id)).all()
    return [_project(row) for row in rows]


def project_of(tx: Transaction, project_id: str) -> Project | None:
    """One project."""
    row = tx.execute(select(projects).where(projects.c.project_id == project_id)).one_or_none()
    return None if row is None else _project(row)


def project_exists(tx: Transaction, project_id: str) -> bool:
    """Whether the tenant has a project of that id, and it is not deleted."""
    found = project_of(tx, project_id)
    return found is not None and found.delete_after_ns is None


def members_of(tx: Transaction) -> list[Member]:
    """Every member of the tenant, by address."""
    return [_member(row) for row in tx.execute(select(members).order_by(members.c.email)).all()]


def member_of(tx: Transaction, email: str) -> Member | None:
    """One member."""
    row = tx.execute(select(members).where(members.c.email == email)).one_or_none()
    return None if row is None else _member(row)


def put_member(tx: Transaction, member: Member) -> None:
    """Add a member, or give a known one another name and role."""
    values = {"name": member.name, "role": str(member.role)}
    changed = tx.execute(update(members).where(members.c.email == member.email).values(values))
    if changed.rowcount == 0:
        tx.insert(insert(members), {"email": member.email, "created_ns": member.created_ns, **values})


def delete_member(tx: Transaction, email: str) -> None:
    """Take a member out."""
    tx.execute(delete(members).where(members.c.email == email))


def insert_key(tx: Transaction, key: ApiKey, secret_hash: str) -> None:
    """Add a key."""
    row = {
        "id": key.key_id,
        "project_id": key.project_id,
        "secret_hash": secret_hash,
        "kind": str(key.kind),
        "name": key.name,
        "owner": key.owner,
        "role": str(key.role),
        "scopes": None if key.scopes is None else sorted(map(str, key.scopes)),
        "created_ns": key.created_ns,
        "created_by": key.created_by,
        "lifetime_ns": key.lifetime_ns,
        "expires_ns": key.expires_ns,
    }
    tx.insert(insert(api_keys), row)


def keys_of(tx: Transaction) -> list[ApiKey]:
    """Every key of the tenant, newest first."""
    order = (api_keys.c.created_ns.desc(), api_keys.c.id)
    return [_key(row) for row in tx.execute(select(api_keys).order_by(*order)).all()]


def key_of(tx: Transaction, key_id: str) -> ApiKey | None:
    """One key."""
    row = tx.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    return None if row is None else _key(row)


def revoke_key(tx: Transaction, key_id: str, now_ns: int) -> None:
    """End a key; the first time stands."""
    tx.execute(
        update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_ns.is_(None)).values(revoked_ns=now_ns)
    )


def revoke_delegated(tx: Transaction, name: str, now_ns: int) -> list[str]:
    """End the delegated keys of that name; returns the ids of those that were alive."""
    delegated = (api_keys.c.kind == str(KeyKind.DELEGATED), api_keys.c.name == name, api_keys.c.revoked_ns.is_(None))
    alive = list(tx.execute(select(api_keys.c.id).where(*delegated)).scalars())
    tx.execute(update(api_keys).where(*delegated).values(revoked_ns=now_ns))
    return alive


def _project(row: Row[Any]) -> Project:
    return Project(
        project_id=row.project_id, name=row.name, created_ns=row.created_ns, delete_after_ns=row.delete_after_ns
    )


def _member(row: Row[Any]) -> Member:
    return Member(email=row.email, name=row.name, role=Role(row.role), created_ns=row.created_ns)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.id,
        kind=KeyKind(row.kind),
        name=row.name,
        owner=row.owner,
        role=Role(row.role),
        scopes=None if row.scopes is None else frozenset(map(Permission, row.scopes)),
        project_id=row.project_id,
        created_ns=row.created_ns,
        created_by=row.created_by,
        lifetime_ns=row.lifetime_ns,
        expires_ns=row.expires_ns,
        revoked_ns=row.revoked_ns,
        last_used_ns=row.last_used_ns,
    )
