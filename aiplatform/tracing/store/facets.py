"""What facets count: the newest traces that a query finds, their scores, their tags. Each look is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, traces
from aiplatform.tracing.attribute_values import name_in_index
from aiplatform.tracing.facets import MAX_TAGS, ScoreValues, Seen
from aiplatform.tracing.model import ScoreType, TraceFilter
from aiplatform.tracing.query.tree import TAG
from aiplatform.tracing.store.cold import is_cold
from aiplatform.tracing.store.listing import among, asks_spans, filter_conditions
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows
from aiplatform.tracing.store.writing import split

if TYPE_CHECKING:
    from aiplatform.tracing.textindex import Matches
    from aiplatform.tracing.textindex.ports import IndexSql

_COLUMNS = (
    "trace_id", "status", "kinds", "models", "service", "user_id", "session_id", "duration_ns", "num_errors", "cost",
    "currency", "costs", "input_tokens", "output_tokens",
)  # fmt: skip


def newest(
    tx: Transaction,
    where: TraceFilter,
    *,
    matches: Matches | None,
    condition: ColumnElement[bool] | None,
    limit: int,
) -> list[Seen]:
    """The newest traces that a filter finds, as they are counted.

    Args:
        tx: A transaction of one project.
        where: What to narrow to; its query is `condition`, and its text `matches`.
        matches: Traces in which the text occurs; None where none is asked for.
        condition: What `query_condition` made of the filter's query.
        limit: At most so many.
    """
    statement = select(*(traces.c[name] for name in _COLUMNS)).where(*filter_conditions(where))
    if asks_spans(where):
        statement = statement.where(~is_cold())
    if condition is not None:
        statement = statement.where(condition)
    if matches is not None:
        statement = statement.where(among(tx, matches.trace_ids))
    return [_seen(row) for row in tx.execute(statement.order_by(traces.c.start_ns.desc()).limit(limit))]


def score_values(tx: Transaction, trace_ids: Sequence[str], name: str | None = None) -> dict[str, ScoreValues]:
    """What scores of some traces said, by the score's name; free texts are left out."""
    table = scores.c
    of_these = text(any_of(tx, "scores.trace_id", "trace_ids")).bindparams(trace_ids=listed(tx, trace_ids))
    statement = select(table.trace_id, table.name, table.type, table.number, table.label).where(
        of_these, table.type != ScoreType.TEXT.value
    )
    if name is not None:
        statement = statement.where(table.name == name)
    found: dict[str, ScoreValues] = {}
    for row in tx.execute(statement):
        values = found.setdefault(row.name, ScoreValues())
        if row.type == ScoreType.NUMERIC:
            if row.number is not None:
                values.numbers.setdefault(row.trace_id, []).append(row.number)
            continue
        label = ("true" if row.number == 1 else "false") if row.type == ScoreType.BOOLEAN else row.label
        values.labels.setdefault(label, set()).add(row.trace_id)
    return found


def tag_counts(
    tx: Transaction, index: IndexSql, trace_ids: Sequence[str], wanted: Iterable[str] = ()
) -> tuple[dict[str, int], bool]:
    """How many of some traces have each tag, and whether the project has more tags than were counted.

    Args:
        tx: A transaction of the index's reader, bound to one project.
        index: How statements reach the index.
        trace_ids: The traces.
        wanted: Tags that are counted in any case.
    """
    name = name_in_index(TAG.space, TAG.name)
    columns = f"SELECT v.value_id, v.text FROM {index.values} v WHERE {IN_PROJECT} AND v.name = :name"  # noqa: S608
    first = rows(tx, f"{columns} ORDER BY v.text LIMIT {MAX_TAGS + 1}", name=name)
    named = [row for tag in wanted for row in rows(tx, f"{columns} AND v.text = :tag", name=name, tag=tag)]
    values = {row.value_id: row.text for row in [*first[:MAX_TAGS], *named]}
    found: dict[str, int] = {}
    of_these = f" AND {any_of(tx, '{table}.trace_id', 'trace_ids')}"
    for value_id, tag in values.items():
        spans = index.spans_with_values(str(int(value_id)), of_these, is_probe=True)
        sql = f"SELECT count(DISTINCT m.trace_id) AS num FROM ({spans}) m"  # noqa: S608 - numbers and constants
        found[tag] = rows(tx, sql, trace_ids=listed(tx, trace_ids))[0].num
    return {tag: count for tag, count in found.items() if count}, len(first) > MAX_TAGS


def _seen(row: Any) -> Seen:
    trace_id, status, kinds, models, *middle, costs, input_tokens, output_tokens = row
    several = json.loads(costs) if costs else None
    return Seen._make((trace_id, status, _words(kinds), _words(models), *middle, several, input_tokens, output_tokens))


@lru_cache(maxsize=4096)
def _words(joined: str) -> tuple[str, ...]:
    """The same few combinations of names stand in most rows."""
    return split(joined)
