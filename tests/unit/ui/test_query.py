"""The query line of traces: what is understood, and how an error points at its column."""

from __future__ import annotations

import pytest

from aiplatform.tracing.model import SpanKind, Status, TraceFilter
from aiplatform.tracing.query import read_filter
from aiplatform.ui.views.query import QueryError, api_line, parse


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("", TraceFilter()),
        ("cannot open", TraceFilter(text="cannot open")),
        ('"cannot open"', TraceFilter(text='"cannot open"')),
        ("status:error", TraceFilter(status=Status.ERROR)),
        ("kind:LLM and duration > 2s", TraceFilter(kind=SpanKind.LLM, min_duration_ns=2_000_000_001)),
        ("duration>=1.5min", TraceFilter(min_duration_ns=90_000_000_000)),
        ("duration>250ms", TraceFilter(min_duration_ns=250_000_001)),
        ("errors>0", TraceFilter(has_errors=True)),
        ("errors:0", TraceFilter(has_errors=False)),
        ("errors:yes duration:2s", TraceFilter(has_errors=True, min_duration_ns=2_000_000_000)),
        ("http://127.0.0.1 12:30", TraceFilter(text="http://127.0.0.1 12:30")),
        ('name:"answer question" 内部', TraceFilter(name="answer question", text="内部")),
        (
            "session:s-1 user:lin model:qwen3 service:door",
            TraceFilter(session_id="s-1", user_id="lin", model="qwen3", service="door"),
        ),
    ],
)
def test_a_line_becomes_a_filter(line: str, where: TraceFilter) -> None:
    assert parse(line).where == where


def test_an_unknown_field_is_named_with_its_column_and_a_near_one() -> None:
    with pytest.raises(QueryError) as caught:
        parse("kind:agent and duraton > 2s")
    assert str(caught.value) == "There is no field 'duraton' (column 16). Did you mean 'duration'?"
    assert caught.value.localized_hint("en") == "kind:agent and duraton > 2s\n               ^^^^^^^"
    assert caught.value.span == (15, 22)


@pytest.mark.parametrize("line", ["status:fine", "duration>soon", "kind>llm", "errors>many"])
def test_a_value_that_makes_no_sense_is_named(line: str) -> None:
    with pytest.raises(QueryError, match="column 1"):
        parse(line)


def test_a_condition_can_be_taken_out() -> None:
    query = parse("status:error duration>2s words")
    assert query.without(query.conditions[0]) == "duration>2s words"
    query = parse("status:error AND (a OR b) and kind:llm")
    assert query.without(query.conditions[1]) == "status:error kind:llm"
    either = parse("status:error OR errors:yes")
    assert either.without(either.conditions[0]) == ""


@pytest.mark.parametrize(
    "line",
    [
        "", "status:error", "kind:LLM and duration > 2s", "duration>=1.5min errors>0", 'name:"answer question" 内部',
        "session:s-1 user:lin model:qwen3 service:door trace:" + "a" * 32, 'errors:0 "cannot open" file',
    ],
)  # fmt: skip
def test_the_api_reads_the_line_that_is_copied_as_the_page_reads_its_own(line: str) -> None:
    where = parse(line).where
    assert read_filter(api_line(where)) == where
