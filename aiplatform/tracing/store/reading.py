"""One trace, one span, and how fresh the text index is.

What lies in a file is not seen from here: `tracing.cold` gives a transaction that sees it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import span_changes, traces
from aiplatform.tracing.log_records import joined
from aiplatform.tracing.model import Freshness, SpanDetail, TraceSummary, TraceTree
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.store.logs import logs_of
from aiplatform.tracing.store.rows import span_of, summary_of
from aiplatform.tracing.store.scores import scores
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, rows
from aiplatform.tracing.tree import ordered


def tree(tx: Transaction, trace_id: str, *, is_cold: bool = False) -> TraceTree | None:
    """A trace with all its spans in tree order; None where there is none."""
    found = _trace(tx, trace_id)
    if found is None:
        return None
    # The days bound the search: without them every day's partition would be opened.
    sql = (
        f"SELECT {BONE_COLUMNS}, error FROM spans "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND trace_id = :trace_id AND day BETWEEN :first_day AND :last_day"
    )
    spans = rows(tx, sql, trace_id=trace_id, first_day=found.first_day, last_day=found.last_day)
    return TraceTree(
        summary=summary_of(found, is_cold=is_cold),
        spans=ordered([span_of(row, trace_id) for row in spans]),
        scores=scores(tx, trace_ids=[trace_id], name=None, limit=1000),
    )


def span(tx: Transaction, trace_id: str, span_id: str) -> SpanDetail | None:
    """One span decoded from its raw bytes; None where there is none."""
    found = _trace(tx, trace_id)
    if found is None:
        return None
    sql = (
        f"SELECT {BONE_COLUMNS}, error, resource_key, raw FROM spans "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND trace_id = :trace_id AND span_id = :span_id AND day BETWEEN :first_day AND :last_day"
    )
    spans = rows(tx, sql, trace_id=trace_id, span_id=span_id, first_day=found.first_day, last_day=found.last_day)
    if not spans:
        return None
    row = spans[0]
    sql = f"SELECT resource, scope FROM span_resources WHERE {IN_PROJECT} AND resource_key = :key"  # noqa: S608
    resources = rows(tx, sql, key=row.resource_key)
    resource, scope = (bytes(resources[0].resource), bytes(resources[0].scope)) if resources else (b"", b"")
    raw = joined(bytes(row.raw), logs_of(tx, [(trace_id, span_id)]).get((trace_id, span_id), ()))
    return read_detail(span_of(row, trace_id), raw, resource=resource, scope=scope)


def summary(tx: Transaction, trace_id: str) -> TraceSummary | None:
    """The summary of a trace that has spans; None where there is none."""
    found = _trace(tx, trace_id)
    return None if found is None else summary_of(found)


def freshness(tx: Transaction, now_ns: int) -> Freshness:
    """What the scope has written that its text index has not seen."""
    columns = func.min(span_changes.c.created_ns).label("oldest"), func.sum(span_changes.c.num_spans).label("waiting")
    found = tx.execute(select(*columns)).one()
    oldest, waiting = found.oldest, found.waiting
    lag_s = 0.0 if oldest is None else max(now_ns - oldest, 0) / 1e9
    return Freshness(is_current=oldest is None, lag_s=lag_s, num_waiting_spans=int(waiting or 0))


def _trace(tx: Transaction, trace_id: str) -> Any:
    return tx.execute(select(traces).where(traces.c.trace_id == trace_id, traces.c.num_spans > 0)).first()
