"""Traps of normalisation that no single dialect owns: what emitters, SDK limits and hostile senders do to a span."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aiplatform.testing.otlp import any_value_of, make_span
from aiplatform.tracing.arrival import problem_with, read_span
from aiplatform.tracing.content_model import Part
from aiplatform.tracing.dialects import DIALECTS
from aiplatform.tracing.model import SpanDetail
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.semconv import FIELD_OF
from aiplatform.tracing.store.rows import span_of

NOW_NS = make_span().start_time_unix_nano + 60 * 10**9
names = st.sampled_from(sorted(FIELD_OF))
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(max_size=20),
        st.binary(max_size=8),
        st.sampled_from(['{"a": [1', "[]", '"\\"twice\\""', "{'cache_read': 1}", '{"input": -1}', "\x00", "NaN"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["role", "content", "parts", "type", "text", "tool_calls", "input", "cache_read", "x"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


def detail(span: Span) -> SpanDetail:
    arrival = read_span(span, None, "key")
    return read_detail(span_of(arrival, arrival.trace_id), arrival.raw, resource=b"", scope=b"")


@given(st.lists(st.tuples(names, values), max_size=12))
def test_whatever_stands_under_a_known_name_a_span_is_read_and_shown(pairs: list[tuple[str, Any]]) -> None:
    span = make_span()
    span.attributes.extend(KeyValue(key=name, value=any_value_of(value)) for name, value in pairs)
    found = detail(span)
    assert json.dumps(found.attributes, allow_nan=False)
    for count in (found.usage.input_tokens, found.usage.output_tokens, found.usage.cache_read_tokens):
        assert count is None or count >= 0
    assert found.usage == found.row.usage or not found.usage.is_known
    assert found.row.name == "span"
    assert "\x00" not in (found.row.model or "")


@pytest.mark.parametrize("cut", range(1, 80, 7))
def test_json_that_a_length_limit_cut_never_fails(cut: int) -> None:
    text = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "退款在哪里？ 请告诉我。"}]}])[:cut]
    found = detail(make_span(attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": text}))
    assert [part.text for message in found.input_messages for part in message.parts] == [text]


@pytest.mark.parametrize("shape", ["structured", "text", "twice", "flat"])
def test_messages_are_the_same_whatever_they_are_wrapped_in(shape: str) -> None:
    messages = [{"role": "user", "content": "hello"}]
    shapes: dict[str, dict[str, Any]] = {
        "structured": {"gen_ai.input.messages": messages},
        "text": {"gen_ai.input.messages": json.dumps(messages)},
        "twice": {"gen_ai.input.messages": json.dumps(json.dumps(messages))},
        "flat": {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hello"},
    }
    (message,) = detail(make_span(attributes={"gen_ai.operation.name": "chat", **shapes[shape]})).input_messages
    assert (message.role, message.text) == ("user", "hello")


def test_a_chat_whose_attributes_the_sdk_dropped_says_so_and_keeps_its_order() -> None:
    span = make_span(attributes={f"gen_ai.prompt.{number}.content": str(number) for number in (11, 2, 0)})
    span.dropped_attributes_count = 40
    found = detail(span)
    assert found.num_dropped_attributes == 40
    assert [message.text for message in found.input_messages] in ([], ["0", "2", "11"])


def test_times_and_ids_at_their_limits_are_refused_or_read() -> None:
    assert problem_with(make_span(), NOW_NS) is None
    changes: tuple[dict[str, Any], ...] = (
        {"trace_id": bytes(16)},
        {"trace_id": b"short"},
        {"span_id": bytes(8)},
        {"parent_span_id": b"1234"},
        {"start_time_unix_nano": 2**64 - 1},
        {"start_time_unix_nano": 0},
        {"end_time_unix_nano": 2**63},
    )
    for change in changes:
        span = make_span()
        for name, value in change.items():
            setattr(span, name, value)
        assert problem_with(span, NOW_NS) is not None, change
    backwards = make_span(duration_ns=1)
    backwards.end_time_unix_nano = backwards.start_time_unix_nano - 5
    assert detail(backwards).row.duration_ns == 0
    assert detail(make_span(duration_ns=None)).row.duration_ns is None


def test_values_that_json_has_no_words_for_are_shown() -> None:
    deep: Any = "end"
    for _ in range(40):
        deep = [deep]
    span = make_span(
        attributes={"nan": math.nan, "inf": -math.inf, "bytes": b"\xff\x00", "nested": {"a": {"b": [1]}}, "deep": deep}
    )
    span.attributes.append(KeyValue(key="empty", value=AnyValue()))
    span.attributes.append(KeyValue(key="large", value=AnyValue(string_value="x" * 5 * 2**20)))
    found = detail(span).attributes
    assert (found["nan"], found["inf"], found["bytes"]) == ("nan", "-inf", "/wA=")
    assert (found["nested"], found["empty"], len(found["large"])) == ({"a": {"b": [1]}}, None, 5 * 2**20)


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers() | st.text(max_size=5), max_size=3))
def test_parts_of_any_unknown_type_go_round_whole(body: dict[str, Any]) -> None:
    part = {**body, "type": "never-heard-of"}
    messages = json.dumps([{"role": "user", "parts": [part]}])
    found = detail(make_span(attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": messages}))
    assert found.input_messages[0].parts == (Part(type="never-heard-of", data=part),)


def test_no_two_dialects_mean_different_things_by_one_name() -> None:
    meanings: dict[str, set[str]] = {}
    for dialect in DIALECTS:
        for field, its_names in dialect.names.items():
            for name in its_names:
                meanings.setdefault(name, set()).add(field)
    assert {name: fields for name, fields in meanings.items() if len(fields) > 1} == {}
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)
