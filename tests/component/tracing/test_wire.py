"""Every rule of OTLP over HTTP that a receiver has to keep, asked of the application itself."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import anyio
import httpx
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from aiplatform.core.errors import NotFoundError, TransientError, UnauthenticatedError
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing.service import Traces
from aiplatform.tracing.status_bodies import StatusBodies
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller, signals_app

PROTOBUF = "application/x-protobuf"
TRACE_ID = trace_id_of(1).hex()


def post(app: Any, body: bytes, headers: dict[str, str] | None = None, *, method: str = "POST") -> httpx.Response:
    async def send() -> httpx.Response:
        sent = {"authorization": "Bearer acme", "content-type": PROTOBUF, **(headers or {})}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, "/v1/traces", content=body, headers=sent)

    return anyio.run(send)


def one_span(**fields: Any) -> bytes:
    return export_request([make_span(**fields)]).SerializeToString()


def problem_of(response: httpx.Response) -> Status:
    assert response.headers["content-type"] == PROTOBUF
    return Status.FromString(response.content)


def partial_of(response: httpx.Response) -> tuple[int, str]:
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    return partial.rejected_spans, partial.error_message


def test_a_span_is_stored_when_it_is_acknowledged(app: KeyNamesCaller, traces: Traces) -> None:
    response = post(app, one_span(name="answer"))
    assert response.status_code == 200
    assert response.headers["content-type"] == PROTOBUF
    assert response.content == b""
    assert traces.get(SCOPE, TRACE_ID).spans[0].name == "answer"


@pytest.mark.parametrize(
    "body", [b"", ExportTraceServiceRequest().SerializeToString(), export_request([]).SerializeToString()]
)
def test_an_empty_request_succeeds(app: KeyNamesCaller, body: bytes) -> None:
    response = post(app, body)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes), ("GZIP", gzip.compress)],
)
def test_bodies_are_decompressed(app: KeyNamesCaller, traces: Traces, encoding: str, compress: Any) -> None:
    assert post(app, compress(one_span()), {"content-encoding": encoding}).status_code == 200
    assert traces.get(SCOPE, TRACE_ID).summary.num_spans == 1


@pytest.mark.parametrize("content_type", ["application/x-protobuf; charset=utf-8", "APPLICATION/X-PROTOBUF"])
def test_parameters_and_case_of_the_media_type_do_not_matter(app: KeyNamesCaller, content_type: str) -> None:
    assert post(app, one_span(), {"content-type": content_type}).status_code == 200


def test_json_is_read_with_hexadecimal_ids_of_any_case_and_unknown_fields(app: KeyNamesCaller, traces: Traces) -> None:
    start_ns = make_span().start_time_unix_nano
    span = {
        "traceId": TRACE_ID.upper(),
        "spanId": span_id_of(1).hex().upper(),
        "name": "json",
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": start_ns + 5,
        "status": {"code": 2, "message": "no"},
        "attributes": [{"key": "n", "value": {"intValue": "7"}}],
        "somethingNew": {"x": 1},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span], "schemaUrl": ""}]}]}).encode()
    response = post(app, body, {"content-type": "application/json; charset=utf-8"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {}
    detail = traces.span(SCOPE, TRACE_ID, span_id_of(1).hex())
    assert detail.attributes == {"n": 7}
    assert detail.row.status == "error"


def test_errors_of_json_requests_are_json(app: KeyNamesCaller) -> None:
    response = post(app, b"{not json", {"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["code"] == 3
    assert "OTLP" in response.json()["message"]


def test_good_spans_are_stored_and_bad_ones_are_counted_exactly(app: KeyNamesCaller, traces: Traces) -> None:
    short, zero, late, huge = (make_span(number, name="bad") for number in (2, 3, 4, 5))
    short.span_id = b"1234"
    zero.trace_id = bytes(16)
    late.start_time_unix_nano = 2**64 - 1
    huge.end_time_unix_nano = 2**64 - 1
    empty = make_span(6)
    empty.span_id = b""
    request = export_request([make_span(1), short, zero, late, huge, empty])
    rejected, message = partial_of(post(app, request.SerializeToString()))
    assert rejected == 5
    assert "span id" in message
    assert traces.get(SCOPE, TRACE_ID).summary.num_spans == 1


def test_all_bad_spans_are_still_a_partial_success(app: KeyNamesCaller) -> None:
    span = make_span()
    span.trace_id = b""
    assert partial_of(post(app, export_request([span]).SerializeToString()))[0] == 1


def test_what_was_never_a_trace_request_is_refused_or_counted(app: KeyNamesCaller) -> None:
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=5, severity_text="INFO")
    record.body.string_value = "x"
    response = post(app, logs.SerializeToString())
    assert response.status_code == 400 or partial_of(response)[0] == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff", b"hello world", one_span()[:-3]], ids=["no tag", "a greeting", "cut off"]
)
def test_bytes_that_are_no_request_are_refused_for_good(app: KeyNamesCaller, body: bytes) -> None:
    response = post(app, body)
    assert response.status_code == 400
    assert problem_of(response).code == 3
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(one_span())[:-9]),
        ("deflate", b"\x00\x01"),
        ("gzip", gzip.compress(one_span())[:4]),
    ],
    ids=["not gzip", "gzip cut off", "not deflate", "a part of gzip's head"],
)
def test_a_broken_compression_is_the_clients_fault(app: KeyNamesCaller, encoding: str, body: bytes) -> None:
    response = post(app, body, {"content-encoding": encoding})
    assert response.status_code == 400
    assert "decompressed" in problem_of(response).message


def test_too_large_a_body_is_refused(app: KeyNamesCaller, traces: Traces) -> None:
    response = post(app, one_span(attributes={"x": "y" * 3_000_000}))
    assert response.status_code == 413
    assert problem_of(response).code == 8
    with pytest.raises(NotFoundError):
        traces.get(SCOPE, TRACE_ID)


def test_a_bomb_is_refused_before_it_is_held(app: KeyNamesCaller) -> None:
    bomb = gzip.compress(bytes(300 * 2**20), 9)
    assert len(bomb) < 2**20
    response = post(app, bomb, {"content-encoding": "gzip"})
    assert response.status_code == 413


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {"content-type": ""}, {"content-encoding": "br"}])
def test_what_nobody_reads_is_unsupported(app: KeyNamesCaller, headers: dict[str, str]) -> None:
    response = post(app, one_span(), headers)
    assert response.status_code == 415
    assert problem_of(response).message


def test_only_post_is_answered(app: KeyNamesCaller) -> None:
    response = post(app, b"", method="GET")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


def test_who_is_not_known_or_may_not_write_is_told_so(app: KeyNamesCaller) -> None:
    unknown = post(app, one_span(), {"authorization": ""})
    assert unknown.status_code == 401
    assert problem_of(unknown).code == 16
    viewer = post(app, one_span(), {"authorization": "Bearer acme/default/viewer"})
    assert viewer.status_code == 403
    assert "traces.write" in problem_of(viewer).message


def test_overload_asks_to_come_again_in_a_second(app: KeyNamesCaller, traces: Traces) -> None:
    traces.incoming.close()
    response = post(app, one_span())
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert problem_of(response).code == 14


def test_a_database_that_is_gone_is_a_state_that_passes(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise TransientError("The database cannot be reached: gone.", retry_after_s=60.0)

    monkeypatch.setattr(traces.incoming, "_write", gone)
    app = KeyNamesCaller(signals_app(traces))
    response = post(app, one_span())
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    monkeypatch.undo()
    assert post(app, one_span()).status_code == 200


@pytest.mark.parametrize("media_type", [PROTOBUF, "application/json"])
def test_layers_in_front_answer_as_otlp_wants(media_type: str) -> None:
    async def layer(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(UnauthenticatedError("This needs an API key.", hint="Send one.").body("en")).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"x", b"y")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body[:9], "more_body": True})
        await send({"type": "http.response.body", "body": body[9:]})

    response = post(StatusBodies(layer), b"", {"content-type": media_type})
    assert (response.status_code, response.headers["x"], response.headers["content-type"]) == (401, "y", media_type)
    if media_type == PROTOBUF:
        assert problem_of(response) == Status(code=16, message="This needs an API key. Send one.")
    else:
        assert response.json() == {"code": 16, "message": "This needs an API key. Send one."}


def test_answers_of_the_endpoint_pass_untouched(app: KeyNamesCaller) -> None:
    for headers, body in (({}, one_span()), ({}, b"\xff"), ({"content-type": "application/json"}, b"{")):
        direct, wrapped = post(app, body, headers), post(StatusBodies(app), body, headers)
        assert (wrapped.status_code, wrapped.content) == (direct.status_code, direct.content)
