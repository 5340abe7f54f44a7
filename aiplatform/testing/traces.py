"""Summaries and large traces for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aiplatform.testing.otlp import make_span
from aiplatform.tracing.model import SpanRow, Status, TraceSummary, Usage


def summary_of_rows(rows: Sequence[SpanRow]) -> TraceSummary:
    """A summary that goes with some rows, as far as a tree looks at it."""
    return TraceSummary(
        trace_id=rows[0].trace_id, project_id="default", name=rows[0].name, status=Status.OK, duration_ns=0,
        start_ns=min(row.start_ns for row in rows), root_span_id=None, has_root=True, num_spans=len(rows),
        num_errors=0, usage=Usage(), cost=None, currency=None, costs={}, input_preview=None, output_preview=None,
        models=(), service=None, session_id=None, user_id=None, first_day=0, last_day=0, updated_ns=0,
    )  # fmt: skip


def large_trace(num_spans: int, *, trace: int, start_ns: int, failing: Sequence[int] = ()) -> Iterator[Span]:
    """A trace of many spans in the order of its tree: one root, groups of ten below it, nine steps in each.

    Args:
        num_spans: How many.
        trace: Its number.
        start_ns: When it begins.
        failing: Numbers of the spans that fail, counted in the order of the tree.
    """
    for number in range(num_spans):
        parent = None if number == 0 else 1 if number % 10 == 1 else (number - 1) // 10 * 10 + 2
        yield make_span(
            number + 1,
            trace=trace,
            parent=parent,
            name="run" if number == 0 else f"group {number}" if number % 10 == 1 else f"step {number}",
            start_ns=start_ns + number * 1_000_000,
            duration_ns=num_spans * 1_000_000 if number == 0 else 500_000,
            error="it broke" if number in failing else None,
        )
