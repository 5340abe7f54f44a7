"""What is said about traces beside their spans: tags, metadata, and assessments in their sender's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import trace_labels as table
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed

MAX_KEY: Final = 250
SESSION: Final = "mlflow.trace.session"
USER: Final = "mlflow.trace.user"


class LabelKind(StrEnum):
    """What a label is."""

    TAG = "tag"
    """Can be changed by whoever may write traces."""

    METADATA = "metadata"
    """Said once, by the application."""

    INFO = "info"
    """The sender's own word about the trace as a whole: state, previews, its experiment."""

    FEEDBACK = "feedback"
    """A score as its sender wrote it, by score id, as JSON."""

    EXPECTATION = "expectation"
    """What should have come out, by score id, as JSON."""


Labels = Mapping[LabelKind, Mapping[str, str]]


def put_labels(tx: Transaction, kind: LabelKind, rows: Sequence[tuple[str, str, str]]) -> None:
    """Store (trace id, key, value) rows of one kind; the same key again replaces the value."""
    columns = ("trace_id", "kind", "key", "value")
    tx.insert_rows(table, columns, [(trace, kind.value, key, value) for trace, key, value in rows], replace=True)


def labels(tx: Transaction, trace_ids: Sequence[str]) -> dict[str, dict[LabelKind, dict[str, str]]]:
    """Labels of some traces by trace, kind and key; traces without any are left out."""
    condition = text(any_of(tx, "trace_id", "trace_ids")).bindparams(trace_ids=listed(tx, trace_ids))
    found: dict[str, dict[LabelKind, dict[str, str]]] = {}
    for row in tx.execute(select(table).where(condition).order_by(table.c.key)):
        found.setdefault(row.trace_id, {}).setdefault(LabelKind(row.kind), {})[row.key] = row.value
    return found


def delete_label(tx: Transaction, trace_id: str, kind: LabelKind, key: str) -> bool:
    """Take a label away; whether there was one."""
    where = (table.c.trace_id == trace_id, table.c.kind == kind.value, table.c.key == key)
    return tx.execute(delete(table).where(*where)).rowcount > 0


def apply_labels(tx: Transaction, trace_ids: Sequence[str]) -> None:
    """Let session and user that metadata name stand in the summaries of traces whose spans name none.

    Metadata and spans arrive in any order, so this is done after each of them.
    """
    for column, key in (("session_id", SESSION), ("user_id", USER)):
        said = (
            "SELECT l.value FROM trace_labels l WHERE l.tenant_id = traces.tenant_id "
            "AND l.project_id = traces.project_id AND l.trace_id = traces.trace_id "
            "AND l.kind = 'metadata' AND l.key = :key"
        )
        sql = (
            f"UPDATE traces SET {column} = ({said}) WHERE {IN_PROJECT} "  # noqa: S608 - constants
            f"AND {any_of(tx, 'trace_id', 'trace_ids')} AND {column} IS NULL"
        )
        tx.raw(sql, {"project_id": tx.scope.project_id, "trace_ids": listed(tx, trace_ids), "key": key})
