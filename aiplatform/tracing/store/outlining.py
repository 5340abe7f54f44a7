"""What the outline of a trace is made of, and the rows of a window of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiplatform.storage.database import Transaction
from aiplatform.tracing.model import SpanRow, TraceSummary
from aiplatform.tracing.outline import StoredOutlineBone
from aiplatform.tracing.store.rows import span_of
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, any_of, listed, rows

_OF_TRACE: Final = f"{IN_PROJECT} AND trace_id = :trace_id AND day BETWEEN :first_day AND :last_day"


def outline_bones(tx: Transaction, trace: TraceSummary) -> list[StoredOutlineBone]:
    """The spans of a trace, in no order."""
    sql = (
        "SELECT span_id, parent_id, kind, status, start_ns, duration_ns, service "  # noqa: S608 - constants
        f"FROM spans WHERE {_OF_TRACE}"
    )
    return [StoredOutlineBone(*row) for row in rows(tx, sql, **_days(trace))]


def spans_of(tx: Transaction, trace: TraceSummary, span_ids: Sequence[str]) -> dict[str, SpanRow]:
    """Some spans of a trace by id, without payload."""
    condition = any_of(tx, "span_id", "span_ids")
    sql = f"SELECT {BONE_COLUMNS}, error FROM spans WHERE {_OF_TRACE} AND {condition}"  # noqa: S608 - constants
    found = rows(tx, sql, span_ids=listed(tx, span_ids), **_days(trace))
    return {row.span_id: span_of(row, trace.trace_id) for row in found}


def spans_with(tx: Transaction, trace: TraceSummary, words: str) -> set[str]:
    """Ids of the spans of a trace in whose name, model, service or error a text stands, whatever its case."""
    text = "lower(name || ' ' || coalesce(model, '') || ' ' || coalesce(service, '') || ' ' || coalesce(error, ''))"
    place = "instr" if tx.dialect == "sqlite" else "strpos"
    sql = f"SELECT span_id FROM spans WHERE {_OF_TRACE} AND {place}({text}, :words) > 0"  # noqa: S608 - constants
    return {row.span_id for row in rows(tx, sql, words=words.lower(), **_days(trace))}


def _days(trace: TraceSummary) -> dict[str, object]:
    # The days bound the search: without them every day's partition would be opened.
    return {"trace_id": trace.trace_id, "first_day": trace.first_day, "last_day": trace.last_day}
