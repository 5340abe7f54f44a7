"""The rules of OTLP over HTTP as one table: every signal, in both encodings, on both databases."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aiplatform.core.scope import Scope
from aiplatform.testing.otlp import export_request, logs_request, make_record, make_span, span_id_of, trace_id_of
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE_ID, SPAN_ID = trace_id_of(1).hex(), span_id_of(1).hex()
RETRIED = {429, 502, 503, 504}
MAX_BODY = 2 * 2**20
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "GZip": lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:]),  # two members are one body
}


@dataclass
class Wire:
    """One signal in one encoding."""

    app: Any
    signal: Signal
    media: str

    def request(self) -> Any:
        """A request that is kept, or for metrics counted, whole."""
        if self.signal is TRACES:
            return export_request([make_span(1)])
        if self.signal is LOGS:
            return logs_request([make_record("gen_ai.user.message", {"content": "hello"})])
        request = ExportMetricsServiceRequest()
        request.resource_metrics.add().scope_metrics.add().metrics.add(name="a").gauge.data_points.add(as_int=1)
        return request

    def body(self, request: Any | None = None) -> bytes:
        request = self.request() if request is None else request
        if self.media == PROTOBUF:
            found: bytes = request.SerializeToString()
            return found
        document = json_format.MessageToDict(request)
        for holder in _holders(document):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in holder:
                    holder[name] = _hex(holder[name]).upper()
        return json.dumps({**document, "aFieldOfTheFuture": [1]}).encode()

    def post(self, body: bytes, headers: dict[str, str] | None = None, *, method: str = "POST") -> httpx.Response:
        sent = {"authorization": "Bearer acme", "content-type": self.media, **(headers or {})}
        return post(self.app, self.signal.path, body, sent, method=method)

    def partial(self, response: httpx.Response) -> tuple[int, str]:
        assert (response.status_code, response.headers["content-type"]) == (200, self.media)
        answer: Any = self.signal.response()
        if self.media == PROTOBUF:
            answer.ParseFromString(response.content)
        else:
            json_format.Parse(response.content, answer)
        return getattr(answer.partial_success, self.signal.rejected_field), answer.partial_success.error_message

    def problem(self, response: httpx.Response) -> Any:
        assert response.headers["content-type"] == self.media
        if self.media == PROTOBUF:
            return Status.FromString(response.content)
        return json_format.Parse(response.content, Status())


def _hex(text: str) -> str:
    import base64

    return base64.b64decode(text).hex()


def _holders(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _holders(item)


def post(app: Any, path: str, body: bytes, headers: dict[str, str], *, method: str = "POST") -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, content=body, headers=headers)

    return anyio.run(send)


@pytest.fixture(params=SIGNALS, ids=lambda signal: signal.path.rpartition("/")[2])
def signal(request: pytest.FixtureRequest) -> Signal:
    found: Signal = request.param
    return found


@pytest.fixture(params=[PROTOBUF, JSON], ids=["protobuf", "json"])
def wire(request: pytest.FixtureRequest, app: KeyNamesCaller, signal: Signal) -> Wire:
    return Wire(app=app, signal=signal, media=request.param)


def kept(wire: Wire) -> tuple[int, str]:
    """What a whole request is answered: nothing refused, but for metrics."""
    return (1, "Metrics are derived from spans here; data points that are sent are not kept.") if (
        wire.signal is METRICS
    ) else (0, "")  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_content_encoding_is_read(wire: Wire, encoding: str) -> None:
    response = wire.post(ENCODINGS[encoding](wire.body()), {"content-encoding": encoding})
    assert wire.partial(response) == kept(wire)


def test_a_success_says_nothing_and_an_empty_request_is_one(wire: Wire) -> None:
    empty = wire.body(wire.signal.request())
    assert wire.partial(wire.post(empty)) == (0, "")
    bare = wire.post(empty).content
    assert bare in {b"", b"{}"}
    if wire.media == PROTOBUF:
        assert wire.post(b"").content == b""


def test_the_bound_holds_before_and_after_decompression(wire: Wire) -> None:
    bomb = bytes(MAX_BODY + 1)
    for body, headers in ((bomb, {}), (gzip.compress(bomb), {"content-encoding": "gzip"})):
        response = wire.post(body, headers)
        assert response.status_code == 413
        assert "retry-after" not in response.headers
        assert wire.problem(response).code == 8
    lying = wire.post(b"", {"content-length": "9" * 30})
    assert lying.status_code == 413


def test_what_cannot_be_decoded_is_400_and_not_to_be_sent_again(wire: Wire) -> None:
    whole = wire.body()
    bodies = [(whole[:-2], {}), (b"\xff\xfe\xfd", {}), (b"no gzip", {"content-encoding": "gzip"}),
              (gzip.compress(whole)[:-5], {"content-encoding": "gzip"})]  # fmt: skip
    for body, headers in bodies:
        response = wire.post(body, dict(headers))
        assert response.status_code == 400
        assert wire.problem(response).code == 3
        assert "retry-after" not in response.headers


def test_every_refusal_is_a_status_in_the_encoding_of_the_request(wire: Wire) -> None:
    answers = [
        (401, 16, wire.post(wire.body(), {"authorization": ""})),
        (403, 7, wire.post(wire.body(), {"authorization": "Bearer acme/default/viewer"})),
        (415, 3, wire.post(wire.body(), {"content-encoding": "br"})),
    ]
    for status, code, response in answers:
        assert response.status_code == status
        found = wire.problem(response)
        assert (found.code, bool(found.message)) == (code, True)
        assert response.status_code not in RETRIED


def test_only_a_state_that_passes_is_answered_with_a_status_to_try_again_on(wire: Wire, traces: Traces) -> None:
    traces.incoming.close()
    response = wire.post(wire.body())
    if wire.signal is METRICS:
        assert response.status_code == 200  # nothing is stored, so nothing is late
        return
    assert response.status_code == 503
    assert 1 <= int(response.headers["retry-after"]) <= 3
    assert wire.problem(response).code == 14


def test_another_signals_request_is_never_taken_for_this_one(wire: Wire, traces: Traces) -> None:
    for other in SIGNALS:
        if other is not wire.signal:
            response = wire.post(Wire(app=wire.app, signal=other, media=wire.media).body())
            assert response.status_code in {200, 400}
    assert traces.list(SCOPE).items == []
    assert traces.scores(SCOPE) == []


def test_a_repeat_changes_nothing(wire: Wire, traces: Traces) -> None:
    span = export_request([make_span(1, attributes={"gen_ai.operation.name": "chat"})]).SerializeToString()
    headers = {"authorization": "Bearer acme", "content-type": PROTOBUF}
    body = wire.body()
    for _ in range(3):
        assert post(wire.app, "/v1/traces", span, headers).status_code == 200
        assert wire.partial(wire.post(body)) == kept(wire)
    assert traces.get(SCOPE, TRACE_ID).summary.num_spans == 1
    told = traces.span(SCOPE, TRACE_ID, SPAN_ID)
    assert len(told.input_messages) == int(wire.signal is LOGS)


def test_the_tenant_is_the_keys_alone(wire: Wire, traces: Traces) -> None:
    """The same ids in two tenants: neither sees the other, neither is told of it."""
    answers = [wire.post(wire.body(), {"authorization": f"Bearer {tenant}"}) for tenant in ("acme", "other")]
    assert answers[0].content == answers[1].content
    if wire.signal is TRACES:
        for tenant in ("acme", "other"):
            scope = Scope(tenant_id=tenant, project_id="default")
            assert traces.get(scope, TRACE_ID).summary.num_spans == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_answered(wire: Wire, method: str) -> None:
    response = wire.post(b"", method=method)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_numbers_of_json_come_as_text_or_as_numbers(app: KeyNamesCaller, traces: Traces) -> None:
    start_ns = make_span().start_time_unix_nano
    for number, write in ((1, str), (2, int)):
        attribute = {"key": "n", "value": {"intValue": write(2**53 + 1)}}
        span = {"traceId": TRACE_ID, "spanId": span_id_of(number).hex(), "startTimeUnixNano": write(start_ns),
                "endTimeUnixNano": write(start_ns + 7), "kind": 3, "attributes": [attribute]}  # fmt: skip
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
        headers = {"authorization": "Bearer acme", "content-type": JSON}
        assert post(app, "/v1/traces", body, headers).json() == {}
        detail = traces.span(SCOPE, TRACE_ID, span_id_of(number).hex())
        assert (detail.row.duration_ns, detail.attributes) == (7, {"n": 2**53 + 1})


_HEADERS = st.fixed_dictionaries(
    {
        "content-type": st.sampled_from([PROTOBUF, JSON, "application/json; charset=x", "text/plain", ""]),
        "content-encoding": st.sampled_from(["identity", "gzip", "deflate", "x-gzip", "br", ""]),
    }
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("ab" * 16),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "resourceLogs", "scopeLogs",
                         "logRecords", "resourceMetrics", "attributes", "key", "value", "stringValue", "links",
                         "startTimeUnixNano", "resource", "body", "events"]) | st.text(max_size=4),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


_SOUND = [
    export_request([make_span(1, start_ns=5), make_span(2, start_ns=5)]).SerializeToString(),
    logs_request([make_record("gen_ai.choice", {"message": {"content": "x"}})]).SerializeToString(),
]


def _damaged(draw: st.DrawFn, body: bytes) -> bytes:
    place = draw(st.integers(0, max(len(body) - 1, 0)))
    junk = draw(st.binary(max_size=4))
    return body[:place] + junk + body[place + draw(st.integers(0, 3)) :]


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """Any bytes, JSON of the right words in the wrong places, and true requests with some bytes changed."""
    kind = draw(st.sampled_from(["bytes", "json", "damaged", "compressed"]))
    if kind == "bytes":
        return draw(st.binary(max_size=80))
    if kind == "json":
        return json.dumps(draw(_JSON)).encode()
    sound = draw(st.sampled_from(_SOUND))
    return _damaged(draw, sound if kind == "damaged" else gzip.compress(sound, mtime=0))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([signal.path for signal in SIGNALS]), headers=_HEADERS, body=_bodies())
def test_any_bytes_are_answered_without_blame_on_the_platform(
    app: KeyNamesCaller, traces: Traces, path: str, headers: dict[str, str], body: bytes
) -> None:
    response = post(app, path, body, {"authorization": "Bearer fuzz", **headers})
    assert response.status_code in {200, 400, 413, 415}, (response.status_code, response.content)


@st.composite
def _odd_spans(draw: st.DrawFn) -> Span:
    span = make_span(draw(st.integers(100, 200)), name="odd")
    field = draw(st.sampled_from(["trace_id", "span_id", "parent_span_id", "start", "end", "name"]))
    if field == "name":
        span.name = draw(st.text(max_size=5))
        span.attributes.add(key=draw(st.sampled_from(["gen_ai.usage.input_tokens", "session.id", "input.value"])))
        span.attributes[0].value.string_value = draw(st.text(max_size=9))
    elif field in {"start", "end"}:
        setattr(span, f"{field}_time_unix_nano", draw(st.integers(0, 2**64 - 1)))
    else:
        setattr(span, field, draw(st.binary(max_size=18)))
    return span


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=st.lists(_odd_spans(), min_size=1, max_size=4), trace=st.integers(2**32, 2**60), data=st.data())
def test_no_odd_span_takes_its_neighbours_along(
    app: KeyNamesCaller, traces: Traces, odd: list[Span], trace: int, data: st.DataObject
) -> None:
    sound = [make_span(number, trace=trace) for number in (1, 2, 3)]
    sent = data.draw(st.permutations([*sound, *odd]))
    response = post(
        app,
        "/v1/traces",
        export_request(sent).SerializeToString(),
        {"authorization": "Bearer acme", "content-type": PROTOBUF},
    )
    rejected, message = Wire(app=app, signal=TRACES, media=PROTOBUF).partial(response)
    assert 0 <= rejected <= len(odd)
    assert bool(message) == bool(rejected)
    assert traces.get(SCOPE, trace_id_of(trace).hex()).summary.num_spans == 3
