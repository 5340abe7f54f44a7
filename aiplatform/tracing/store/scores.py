"""Scores of traces and spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores as table
from aiplatform.tracing.model import Score, ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows

MAX_LOOKED_AT: Final = 10_000
MAX_LABELS: Final = 20
MAX_LABEL_CHARACTERS: Final = 100

_COLUMNS = (
    "score_id", "trace_id", "span_id", "name", "type", "number", "label", "source", "comment", "principal", "created_ns"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreName:
    """A name that scores of a project have."""

    name: str
    type: ScoreType
    """The commonest type of this name."""

    count: int
    labels: tuple[str, ...] = ()
    """Labels that were given, the commonest first."""


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


def one_score(tx: Transaction, score_id: str) -> Score | None:
    """One score; None where there is none of this id."""
    row = tx.execute(select(table).where(table.c.score_id == score_id)).first()
    return None if row is None else _score(row)


def score_names(tx: Transaction, *, limit: int) -> list[ScoreName]:
    """Names in use, the commonest first; of the highest ids only, as a project may hold millions of scores."""
    sql = (
        f"SELECT name, type, said, count(*) AS given FROM (SELECT name, type, CASE WHEN type = 'label' "  # noqa: S608
        f"AND length(label) <= :longest THEN label END AS said FROM scores WHERE {IN_PROJECT} "
        "ORDER BY score_id DESC LIMIT :looked_at) AS newest GROUP BY name, type, said ORDER BY given DESC, name, said"
    )
    found: dict[str, dict[str, int]] = {}
    labels: dict[str, list[str]] = {}
    for row in rows(tx, sql, longest=MAX_LABEL_CHARACTERS, looked_at=MAX_LOOKED_AT):
        types = found.setdefault(row.name, {})
        types[row.type] = types.get(row.type, 0) + row.given
        if row.said is not None:
            labels.setdefault(row.name, []).append(row.said)
    names = [
        ScoreName(
            name=name,
            type=ScoreType(max(types, key=lambda each: types[each])),
            count=sum(types.values()),
            labels=tuple(labels.get(name, ())[:MAX_LABELS]),
        )
        for name, types in found.items()
    ]
    return sorted(names, key=lambda each: (-each.count, each.name))[:limit]


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


def scores_by_trace(tx: Transaction, trace_ids: Sequence[str], *, limit: int) -> dict[str, list[Score]]:
    """The scores of some traces, the newest of each trace first; at most `limit` of all together."""
    found: dict[str, list[Score]] = {}
    for score in scores(tx, trace_ids=trace_ids, name=None, limit=limit) if trace_ids else ():
        found.setdefault(score.trace_id, []).append(score)
    return found
