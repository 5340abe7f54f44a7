"""Whatever bytes arrive, decoding ends in spans, counted rejections, or an error of ours."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from aiplatform.core.errors import InvalidError
from aiplatform.core.scope import Scope
from aiplatform.testing.otlp import any_value_of, export_request
from aiplatform.tracing.model import SpanKind, SpanRow
from aiplatform.tracing.model import Status as SpanStatus
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.otlp import JSON, Export, decode, exports_of
from aiplatform.tracing.preview import previews
from aiplatform.tracing.searchable import searchable_text
from aiplatform.tracing.semconv import FIELD_OF

SCOPE = Scope(tenant_id="t", project_id="p")
NOW_NS = time.time_ns()

plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=12), st.binary(max_size=6)
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
json_texts = values.map(lambda value: json.dumps(value, default=str))
flattened = st.from_regex(
    r"(llm\.input_messages|gen_ai\.prompt|retrieval\.documents)\.[0-9]{1,2}(\.[a-z]{1,8}){0,3}", fullmatch=True
)
names = st.one_of(st.sampled_from(sorted(FIELD_OF)), st.text(max_size=8), flattened)
attribute_sets = st.dictionaries(names, st.one_of(values, json_texts), max_size=10)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    span = Span(
        trace_id=draw(st.one_of(st.binary(min_size=16, max_size=16), st.binary(max_size=20))),
        span_id=draw(st.one_of(st.binary(min_size=8, max_size=8), st.binary(max_size=10))),
        parent_span_id=draw(st.one_of(st.just(b""), st.binary(min_size=8, max_size=8), st.binary(max_size=9))),
        name=draw(st.text(max_size=10)),
        start_time_unix_nano=draw(st.one_of(st.just(NOW_NS), st.integers(0, 2**64 - 1))),
        end_time_unix_nano=draw(st.one_of(st.just(NOW_NS + 1), st.integers(0, 2**64 - 1))),
    )
    for key, value in draw(attribute_sets).items():
        span.attributes.add(key=key).value.CopyFrom(any_value_of(value))
    span.status.code = draw(st.sampled_from(Status.StatusCode.values()))
    return span


def taken_in(request: ExportTraceServiceRequest) -> Export:
    (export,) = exports_of(request, SCOPE, now_ns=NOW_NS)
    return export


@settings(max_examples=150)
@given(st.lists(spans(), max_size=4))
def test_each_span_is_accepted_or_rejected_and_can_be_read_back(sent: list[Span]) -> None:
    export = taken_in(export_request(sent))
    assert len(export.spans) + export.rejected == len(sent)
    assert bool(export.problem) == bool(export.rejected)
    for arrival in export.spans:
        assert 0 <= arrival.start_ns < 2**63
        assert arrival.duration_ns is None or 0 <= arrival.duration_ns < 2**63
        texts = (arrival.name, arrival.model, arrival.session_id, arrival.user_id, arrival.error, arrival.service)
        assert not any(text and "\x00" in text for text in texts)
        row = SpanRow(
            trace_id=arrival.trace_id,
            span_id=arrival.span_id,
            parent_id=arrival.parent_id,
            name=arrival.name,
            kind=SpanKind(arrival.kind),
            status=SpanStatus(arrival.status),
            start_ns=arrival.start_ns,
            duration_ns=arrival.duration_ns,
        )
        detail = read_detail(row, arrival.raw, resource=b"", scope=b"")
        assert "\x00" not in searchable_text(arrival.raw)
        assert all(text is None or (0 < len(text) <= 300 and "\x00" not in text) for text in previews(arrival.raw))
        json.dumps(detail.attributes, allow_nan=False)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    for media_type in ("application/x-protobuf", JSON):
        try:
            request = decode(body, media_type)
        except InvalidError:
            continue
        taken_in(request)


documents = st.recursive(
    st.one_of(plain.filter(lambda value: not isinstance(value, bytes)), st.just("00" * 16)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "links", "attributes", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(documents)
def test_any_json_is_a_request_or_refused(document: Any) -> None:
    try:
        request = decode(json.dumps(document).encode(), JSON)
    except InvalidError:
        return
    taken_in(request)
