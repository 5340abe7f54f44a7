"""The list of traces: narrowed, ordered, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.model import Freshness, TraceFilter, TracePage, TraceSort
from aiplatform.tracing.pages import not_a_page, page_token, read_page
from aiplatform.tracing.query.tree import Span as SpanNode
from aiplatform.tracing.query.tree import walk
from aiplatform.tracing.store.cold import is_cold, places_of
from aiplatform.tracing.store.mlflow_conditions import reads_index
from aiplatform.tracing.store.rows import summary_of
from aiplatform.tracing.store.statements import any_of, listed
from aiplatform.tracing.store.writing import joined

if TYPE_CHECKING:
    from aiplatform.tracing.textindex import Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdMatches:
    """Traces whose spans lie in files, and that meet what a filter asks of spans."""

    trace_ids: Sequence[str]
    reached_ns: int | None = None
    """Where the search in files ended; None where it saw them all. What is older was not looked at, or what is newer
    where the oldest come first."""


_COLUMN_OF = {
    TraceSort.NEWEST: traces.c.start_ns,
    TraceSort.OLDEST: traces.c.start_ns,
    TraceSort.SLOWEST: traces.c.duration_ns,
}


_BEYOND_IDS = "g"
"""Stands behind all ids, whose digits are hexadecimal."""


def list_traces(
    tx: Transaction,
    where: TraceFilter,
    *,
    matches: Matches | None,
    sort: TraceSort,
    limit: int,
    page: str | None,
    condition: ColumnElement[bool] | None = None,
    cold: ColdMatches | None = None,
) -> TracePage:
    """One page; `next` is set where another follows. A page may hold fewer traces than asked for, and go on.

    Args:
        tx: A transaction of one project.
        where: What to narrow to; its query is `condition`, and its text `matches`.
        matches: Traces in which the text occurs; None where none is asked for.
        sort: Order.
        limit: Traces a page.
        page: The `next` of the page before.
        condition: What `query_condition` made of the filter's query.
        cold: What was found in files, for which neither `condition` nor `matches` can answer.

    Raises:
        InvalidError: The page token is none of this order.
    """
    hot = [] if condition is None else [condition]
    if matches is not None:
        hot.append(among(tx, matches.trace_ids))
    if cold is not None:
        hot = [with_cold(tx, hot, cold)]
        if cold.reached_ns is not None:
            start = traces.c.start_ns
            hot.append(start <= cold.reached_ns if sort is TraceSort.OLDEST else start >= cold.reached_ns)
    statement = select(traces).where(*filter_conditions(where), *hot)
    found = tx.execute(_ordered(statement, sort, page).limit(limit + 1)).fetchall()
    files = places_of(tx, [row.trace_id for row in found[:limit]])
    items = [summary_of(row, is_cold=row.trace_id in files) for row in found[:limit]]
    token = _token(sort, found[limit - 1]) if len(found) > limit else None
    if token is None and cold is not None and cold.reached_ns is not None and sort is not TraceSort.SLOWEST:
        token = page_token(sort.value, cold.reached_ns, _BEYOND_IDS if sort is TraceSort.OLDEST else "")
    return TracePage(items=items, next=token)


def with_search(page: TracePage, *, freshness: Freshness, is_cut: bool) -> TracePage:
    """The page with what has to be said about the search."""
    return replace(page, freshness=freshness, is_cut=is_cut)


def histogram(
    tx: Transaction,
    where: TraceFilter,
    *,
    matches: Matches | None,
    from_ns: int,
    to_ns: int,
    num_buckets: int,
    condition: ColumnElement[bool] | None = None,
) -> Sequence[tuple[int, int]]:
    """Traces without and with errors that began in each slice of [from, to); where spans are asked, hot ones alone."""
    width = max((to_ns - from_ns) // num_buckets, 1)
    bucket = ((traces.c.start_ns - from_ns) // width).label("bucket")
    failed = func.sum(case((traces.c.num_errors > 0, 1), else_=0)).label("failed")
    narrowed = replace(where, from_ns=max(from_ns, where.from_ns or from_ns), to_ns=min(to_ns, where.to_ns or to_ns))
    statement = select(bucket, func.count().label("num"), failed).where(*filter_conditions(narrowed)).group_by(bucket)
    if asks_spans(where):
        statement = statement.where(~is_cold())
    if condition is not None:
        statement = statement.where(condition)
    if matches is not None:
        statement = statement.where(among(tx, matches.trace_ids))
    counts = [(0, 0)] * num_buckets
    for row in tx.execute(statement):
        index = min(int(row.bucket), num_buckets - 1)
        good, bad = counts[index]
        counts[index] = (good + row.num - int(row.failed), bad + int(row.failed))
    return counts


def among(tx: Transaction, trace_ids: Sequence[str], parameter: str = "trace_ids") -> ColumnElement[bool]:
    """The condition that a row of `traces` is one of some traces."""
    condition = text(any_of(tx, "traces.trace_id", parameter))
    return condition.bindparams(**{parameter: listed(tx, trace_ids)})  # type: ignore[return-value]


def with_cold(tx: Transaction, hot: Sequence[ColumnElement[bool]], cold: ColdMatches) -> ColumnElement[bool]:
    """The condition that a row of `traces` meets what is asked of spans, wherever they lie.

    Args:
        tx: The transaction.
        hot: What spans in the database must meet.
        cold: What was found in files.
    """
    return or_(and_(~is_cold(), *hot), among(tx, cold.trace_ids, "cold_ids"))


def asks_spans(where: TraceFilter) -> bool:
    """Whether a filter's answer depends on more than the summaries, scores and labels that never leave the database."""
    if where.text and where.text.strip():
        return True
    if reads_index(where.query, where.mlflow):
        return True
    return where.query is not None and any(isinstance(node, SpanNode) for node in walk(where.query))


def filter_conditions(where: TraceFilter) -> list[ColumnElement[bool]]:
    """What a filter says of the columns of a trace; its text and its query are not among it."""
    column = traces.c
    found: list[ColumnElement[bool]] = [column.num_spans > 0]
    for name in ("trace_id", "status", "service", "session_id", "user_id"):
        value = getattr(where, name)
        if value is not None:
            found.append(column[name] == str(value))
    if where.name is not None:
        found.append(column.name.icontains(where.name, autoescape=True))
    if where.model is not None:
        found.append(column.models.contains(joined([where.model]), autoescape=True))
    if where.kind is not None:
        found.append(column.kinds.contains(joined([where.kind.value]), autoescape=True))
    if where.has_errors is not None:
        found.append(column.num_errors > 0 if where.has_errors else column.num_errors == 0)
    if where.from_ns is not None:
        found.append(column.start_ns >= where.from_ns)
    if where.to_ns is not None:
        found.append(column.start_ns < where.to_ns)
    if where.min_duration_ns is not None:
        found.append(column.duration_ns >= where.min_duration_ns)
    return found


def _ordered(statement: Select[Any], sort: TraceSort, page: str | None) -> Select[Any]:
    column = _COLUMN_OF[sort]
    rising = sort is TraceSort.OLDEST
    if page is not None:
        value, trace_id = _read_token(sort, page)
        beyond = column > value if rising else column < value
        beyond_id = traces.c.trace_id > trace_id if rising else traces.c.trace_id < trace_id
        statement = statement.where(or_(beyond, and_(column == value, beyond_id)))
    if rising:
        return statement.order_by(column, traces.c.trace_id)
    return statement.order_by(column.desc(), traces.c.trace_id.desc())


def _token(sort: TraceSort, row: Any) -> str:
    return page_token(sort.value, getattr(row, _COLUMN_OF[sort].name), row.trace_id)


def start_of(sort: TraceSort, page: str | None) -> tuple[int, str] | None:
    """Where a page begins: the value that the list is ordered by, and a trace's id; None for the first one.

    Raises:
        InvalidError: The page token is none of this order.
    """
    return None if page is None else _read_token(sort, page)


def _read_token(sort: TraceSort, page: str) -> tuple[int, str]:
    kind, value, trace_id = read_page(page, str, int, str)
    if kind != sort.value:
        raise not_a_page(page)
    return value, trace_id
