"""Every span of a trace with its raw bytes and what its log records say, for those who take traces away whole."""

from __future__ import annotations

from collections.abc import Iterator

from aiplatform.storage.database import Transaction
from aiplatform.tracing.log_records import joined
from aiplatform.tracing.model import SpanDetail, TraceSummary
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.store.logs import logs_of
from aiplatform.tracing.store.rows import span_of
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, rows


def raw_spans(tx: Transaction, trace: TraceSummary) -> Iterator[tuple[bytes, SpanDetail]]:
    """The spans of a trace by start, each with what its log records say, raw and as it reads."""
    sql = (
        f"SELECT {BONE_COLUMNS}, error, raw FROM spans WHERE {IN_PROJECT} "  # noqa: S608 - constants
        "AND trace_id = :trace_id AND day BETWEEN :first_day AND :last_day ORDER BY start_ns, span_id"
    )
    found = rows(tx, sql, trace_id=trace.trace_id, first_day=trace.first_day, last_day=trace.last_day)
    said = logs_of(tx, [(trace.trace_id, row.span_id) for row in found])
    for row in found:
        raw = joined(bytes(row.raw), said.get((trace.trace_id, row.span_id), ()))
        yield raw, read_detail(span_of(row, trace.trace_id), raw, resource=b"", scope=b"")
