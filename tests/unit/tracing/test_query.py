from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.tracing.model import SpanKind, Status, TraceFilter
from aiplatform.tracing.query import read_filter


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", TraceFilter()),
        ("refund late", TraceFilter(text="refund late")),
        ("status:error refund", TraceFilter(status=Status.ERROR, text="refund")),
        ('model:"gpt 4" kind:LLM', TraceFilter(model="gpt 4", kind=SpanKind.LLM)),
        ("trace_id:tr-0AF7", TraceFilter(trace_id="0af7")),
        ("duration:>2.5s errors:yes", TraceFilter(min_duration_ns=2_500_000_001, has_errors=True)),
        ("duration:300ms", TraceFilter(min_duration_ns=300_000_000)),
        ('"status:error"', TraceFilter(text='"status:error"')),
        ("http://x.y at 12:30", TraceFilter(text="http://x.y at 12:30")),
        ("退款:在哪里", TraceFilter(text="退款:在哪里")),
    ],
)
def test_a_line_is_read_as_fields_and_words(line: str, expected: TraceFilter) -> None:
    assert read_filter(line) == expected


def test_a_line_narrows_what_was_given() -> None:
    assert read_filter("x", TraceFilter(user_id="lin")) == TraceFilter(user_id="lin", text="x")


@pytest.mark.parametrize(
    ("line", "reason", "column"),
    [
        ("x duraton:2s", "query.unknown_field", 3),
        ("status:broken", "query.value", 1),
        ("a b kind:robot", "query.value", 5),
        ("duration:soon", "query.value", 1),
    ],
)
def test_errors_point_at_the_column(line: str, reason: str, column: int) -> None:
    with pytest.raises(InvalidError) as raised:
        read_filter(line)
    assert raised.value.reason == reason
    assert raised.value.fields["column"] == column


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(line: str) -> None:
    with suppress(InvalidError):
        assert isinstance(read_filter(line), TraceFilter)
