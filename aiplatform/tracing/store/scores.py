"""Scores of traces and spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores as table
from aiplatform.tracing.model import Score, ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.store.statements import any_of, listed

_COLUMNS = (
    "score_id", "trace_id", "span_id", "name", "type", "number", "label", "source", "comment", "principal", "created_ns"
)  # fmt: skip


def put_score(tx: Transaction, score: Score) -> None:
    """Store a score; the same id again replaces it."""
    is_text = isinstance(score.value, str)
    row = (
        score.score_id,
        score.trace_id,
        score.span_id,
        score.name,
        score.type.value,
        None if is_text else float(score.value),
        score.value if is_text else None,
        score.source.value,
        score.comment,
        score.principal,
        score.created_ns,
    )
    tx.insert_rows(table, _COLUMNS, [row], replace=True)


def delete_score(tx: Transaction, trace_id: str, score_id: str) -> bool:
    """Take a score of a trace away; whether there was one."""
    found = tx.execute(delete(table).where(table.c.trace_id == trace_id, table.c.score_id == score_id))
    return found.rowcount > 0


def scores(tx: Transaction, *, trace_ids: Sequence[str] | None, name: str | None, limit: int) -> list[Score]:
    """Scores of some traces or of all, newest first."""
    statement = select(table).order_by(table.c.created_ns.desc(), table.c.score_id).limit(limit)
    if trace_ids is not None:
        condition = text(any_of(tx, "trace_id", "trace_ids"))
        statement = statement.where(condition.bindparams(trace_ids=listed(tx, trace_ids)))
    if name is not None:
        statement = statement.where(table.c.name == name)
    return [_score(row) for row in tx.execute(statement)]


def _score(row: Any) -> Score:
    type_ = ScoreType(row.type)
    value: ScoreValue
    if type_ is ScoreType.NUMERIC:
        value = row.number
    elif type_ is ScoreType.BOOLEAN:
        value = bool(row.number)
    else:
        value = row.label
    return Score(
        score_id=row.score_id,
        trace_id=row.trace_id,
        span_id=row.span_id,
        name=row.name,
        type=type_,
        value=value,
        source=ScoreSource(row.source),
        comment=row.comment,
        principal=row.principal,
        created_ns=row.created_ns,
    )
