"""Policies of traces (what is redacted, how long they are kept): one a project, one for the rest of its tenant."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import delete, func, select

from aiplatform.core.scope import Scope
from aiplatform.storage.database import SystemTransaction, Transaction
from aiplatform.storage.tables.tracing import trace_policies as table

WHOLE_TENANT: Final = ""
"""In place of a project's id: the policy of every project that has none of its own."""

_SECRET_BYTES: Final = 32
_VERSION_BITS: Final = 48


class PolicyKind(StrEnum):
    """What a policy is about."""

    REDACTION = "redaction"
    RETENTION = "retention"
    COLD = "cold"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy as it lies in the database."""

    tenant_id: str
    project_id: str
    """Empty for the whole tenant."""

    policy: Mapping[str, Any]
    secret: bytes
    updated_ns: int
    updated_by: str


def put_policy(
    tx: Transaction, kind: PolicyKind, project_id: str, policy: Mapping[str, Any], *, principal: str, now_ns: int
) -> None:
    """Set a policy; the secret of the one before stays, so that equal values go on having equal hashes."""
    before = get_policy(tx, kind, project_id)
    remove_policy(tx, kind, project_id)
    row = {
        "project_id": project_id,
        "kind": kind.value,
        "policy": dict(policy),
        "secret": before.secret if before else secrets.token_bytes(_SECRET_BYTES),
        "version": secrets.randbits(_VERSION_BITS),
        "updated_ns": now_ns,
        "updated_by": principal,
    }
    tx.insert(table.insert(), row)


def get_policy(tx: Transaction, kind: PolicyKind, project_id: str) -> StoredPolicy | None:
    """The policy of exactly this project, or of the whole tenant; None where there is none."""
    found = tx.execute(select(table).where(table.c.kind == kind.value, table.c.project_id == project_id)).first()
    return _policy(found) if found else None


def remove_policy(tx: Transaction, kind: PolicyKind, project_id: str) -> bool:
    """Take a policy away; returns whether there was one."""
    return tx.execute(delete(table).where(table.c.kind == kind.value, table.c.project_id == project_id)).rowcount > 0


def remove_policies(tx: Transaction) -> None:
    """Take away every policy of the transaction's tenant, or of its project where it has one."""
    statement = delete(table)
    if tx.scope.project_id is not None:
        statement = statement.where(table.c.project_id == tx.scope.project_id)
    tx.execute(statement)


def all_policies(tx: SystemTransaction, kind: PolicyKind) -> Sequence[StoredPolicy]:
    """Every policy of a kind, of every tenant."""
    return [_policy(row) for row in tx.execute(select(table).where(table.c.kind == kind.value))]


def policies_mark(tx: SystemTransaction, kind: PolicyKind) -> tuple[int, int]:
    """A pair of numbers that changes with every change of a policy of that kind."""
    columns: list[Any] = [func.count(), func.coalesce(func.sum(table.c.version), 0)]
    found: Any = tx.execute(select(*columns).where(table.c.kind == kind.value)).one()
    return int(found[0]), int(found[1])


def in_force(policies: Mapping[tuple[str, str], Any], scope: Scope) -> Any:
    """The policy of a scope's project, else of its tenant, else None."""
    own = policies.get((scope.tenant_id, scope.project_id or WHOLE_TENANT))
    return own if own is not None else policies.get((scope.tenant_id, WHOLE_TENANT))


def _policy(row: Any) -> StoredPolicy:
    return StoredPolicy(
        tenant_id=row.tenant_id,
        project_id=row.project_id,
        policy=row.policy,
        secret=bytes(row.secret or b""),
        updated_ns=row.updated_ns,
        updated_by=row.updated_by,
    )
