"""From database rows to the field's values."""

from __future__ import annotations

from typing import Any

from aiplatform.tracing.model import SpanKind, SpanRow, Status, TraceSummary, Usage
from aiplatform.tracing.store.writing import costs_in, split
from aiplatform.tracing.tree import TOKEN_NAMES


def summary_of(row: Any, *, is_cold: bool = False) -> TraceSummary:
    """A trace's summary from its row."""
    return TraceSummary(
        trace_id=row.trace_id,
        project_id=row.project_id,
        name=row.name,
        status=Status(row.status),
        start_ns=row.start_ns,
        duration_ns=row.duration_ns,
        root_span_id=row.root_span_id,
        has_root=bool(row.has_root),
        num_spans=row.num_spans,
        num_errors=row.num_errors,
        usage=usage_of(row),
        cost=row.cost,
        currency=row.currency,
        costs=costs_in(row),
        input_preview=row.input_preview,
        output_preview=row.output_preview,
        models=split(row.models),
        service=row.service,
        session_id=row.session_id,
        user_id=row.user_id,
        first_day=row.first_day,
        last_day=row.last_day,
        updated_ns=row.updated_ns,
        is_cold=is_cold,
    )


def span_of(row: Any, trace_id: str) -> SpanRow:
    """A span without payload from its row."""
    return SpanRow(
        trace_id=trace_id,
        span_id=row.span_id,
        parent_id=row.parent_id,
        name=row.name,
        kind=SpanKind(row.kind),
        status=Status(row.status),
        start_ns=row.start_ns,
        duration_ns=row.duration_ns,
        model=row.model,
        usage=usage_of(row),
        cost=row.cost,
        currency=row.currency,
        error=row.error,
        service=row.service,
        day=row.day,
    )


def usage_of(row: Any) -> Usage:
    """The five counts of a row."""
    return Usage(**{name: getattr(row, name) for name in TOKEN_NAMES})
