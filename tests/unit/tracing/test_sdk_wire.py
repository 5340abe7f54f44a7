"""Our encoder against the stock one, on arbitrary spans."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from aiplatform.tracing.sdk.wire import halves, requests_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(st.text("abc.é", min_size=1, max_size=8), VALUES, max_size=6)
CONTEXTS = st.builds(
    lambda trace, span, is_remote, states: SpanContext(
        trace, span, is_remote, TraceFlags(1), TraceState([(f"k{number}", "v") for number in range(states)])
    ),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 2),
)
TIMES = st.integers(0, 2**63)
SCOPES = st.builds(
    lambda name, version, url, attributes: InstrumentationScope(name, version, url, attributes),
    st.sampled_from(["one", "二"]),
    st.sampled_from([None, "1.0"]),
    st.sampled_from([None, "https://x/1"]),
    st.sampled_from([None, {"a": 1}]),
)
SPANS = st.builds(
    ReadableSpan,
    name=TEXTS,
    context=CONTEXTS,
    parent=st.none() | CONTEXTS,
    resource=st.builds(lambda name: Resource({"service.name": name}, "https://y/1"), st.sampled_from(["s", "服务"])),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXTS, ATTRIBUTES, TIMES), max_size=2),
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "schlecht: ü")]),
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=st.none() | SCOPES,
)


def spans_of(request: ExportTraceServiceRequest) -> list[tuple[str, str, str]]:
    return sorted(
        (str(resource.resource), str(scope.scope) + scope.schema_url, str(span))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


@given(st.lists(SPANS, min_size=1, max_size=5))
def test_every_span_reads_as_the_stock_encoder_writes_it(spans: list[ReadableSpan]) -> None:
    ((body, num_spans),) = requests_of(spans, None, 2**30)
    assert num_spans == len(spans)
    assert spans_of(ExportTraceServiceRequest.FromString(body)) == spans_of(encode_spans(spans))


@given(st.lists(SPANS, min_size=1, max_size=6), st.integers(1, 3_000))
def test_requests_keep_to_their_size_and_lose_nothing(spans: list[ReadableSpan], max_bytes: int) -> None:
    requests = requests_of(spans, None, max_bytes)
    found = [part for body, _ in requests for part in spans_of(ExportTraceServiceRequest.FromString(body))]
    assert sorted(found) == spans_of(encode_spans(spans))
    for body, num_spans in requests:
        written = ExportTraceServiceRequest.FromString(body)
        spans_bytes = sum(span.ByteSize() for r in written.resource_spans for s in r.scope_spans for span in s.spans)
        assert num_spans == 1 or spans_bytes <= max_bytes


@given(st.lists(SPANS, min_size=2, max_size=6))
def test_halves_hold_the_whole(spans: list[ReadableSpan]) -> None:
    ((body, _),) = requests_of(spans, None, 2**30)
    parts = halves(body)
    found = [part for half, _ in parts for part in spans_of(ExportTraceServiceRequest.FromString(half))]
    assert sorted(found) == spans_of(encode_spans(spans))
    assert [count for _, count in parts] == [len(spans) // 2, len(spans) - len(spans) // 2]


def make(**fields: Any) -> ReadableSpan:
    return ReadableSpan(name="n", context=SpanContext(1, 2, False, TraceFlags(1)), start_time=1, end_time=2, **fields)


def attributes_of(span: ReadableSpan, mask: Any = None) -> dict[str, str]:
    ((body, _),) = requests_of([span], mask, 2**30)
    (found,) = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    return {attribute.key: str(attribute.value).strip() for attribute in found.attributes}


def test_what_protobuf_has_no_form_for_is_written_all_the_same() -> None:
    found = attributes_of(make(attributes={"half": "a\ud800b", "big": 2**80, "set": {1}}))
    assert found == {
        "half": 'string_value: "a?b"',
        "big": f'string_value: "{2**80}"',
        "set": 'string_value: "{1}"',
    }


def test_a_mask_sees_every_text_and_what_it_gives_is_what_is_written() -> None:
    span = make(
        attributes={"a": "secret 1", "gone": "secret 2", "n": 5},
        events=[Event("exception", {"exception.message": "secret 3"})],
        links=[Link(SpanContext(1, 2, False), {"l": "secret 4"})],
        status=Status(StatusCode.ERROR, "secret 5"),
    )
    span._name = "secret 6"

    def mask(name: str, value: Any) -> Any:
        return None if name == "gone" else value.replace("secret", "***") if isinstance(value, str) else value

    ((body, _),) = requests_of([span], mask, 2**30)
    assert b"secret" not in body
    assert body.count(b"***") == 5
    assert attributes_of(span, mask) == {"a": 'string_value: "*** 1"', "n": "int_value: 5"}


def test_a_span_that_cannot_be_written_takes_no_other_along() -> None:
    broken = make()
    broken._context = None
    assert [count for _, count in requests_of([make(), broken, make()], None, 2**30)] == [2]
