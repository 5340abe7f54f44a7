"""OTLP logs: messages of a call join its span, whichever of the two arrives first."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import anyio
import httpx
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from sqlalchemy import select

from aiplatform.core.errors import NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tracing import span_logs
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.testing.otlp import (
    any_value_of,
    export_request,
    logs_request,
    make_record,
    make_span,
    span_id_of,
    trace_id_of,
)
from aiplatform.tracing.export import ExportOrder
from aiplatform.tracing.export_model import ExportFormat, ExportLevel
from aiplatform.tracing.log_records import BAD_TIME, NO_RESULT, NO_SCORES, NO_SPAN, NOT_KEPT, joined
from aiplatform.tracing.mlflow_traces import MlflowTraces
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import METRICS_ARE_DERIVED, read_logs
from aiplatform.tracing.store.removal import mark_erased, remove_traces
from aiplatform.tracing.values import any_value
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE_ID, SPAN_ID = trace_id_of(1).hex(), span_id_of(1).hex()
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m"}


def post(
    app: Any, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, key: str = "acme"
) -> httpx.Response:
    async def send() -> httpx.Response:
        sent = {"authorization": f"Bearer {key}", "content-type": PROTOBUF, **(headers or {})}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post(path, content=body, headers=sent)

    return anyio.run(send)


def send_logs(app: Any, *records: LogRecord, key: str = "acme") -> tuple[int, str]:
    response = post(app, "/v1/logs", logs_request(records).SerializeToString(), key=key)
    assert response.status_code == 200
    partial = ExportLogsServiceResponse.FromString(response.content).partial_success
    return partial.rejected_log_records, partial.error_message


def send_span(app: Any, **fields: Any) -> None:
    span = make_span(name="chat m", attributes=CHAT, **fields)
    assert post(app, "/v1/traces", export_request([span]).SerializeToString()).status_code == 200


def conversation(*, old_names: bool = False) -> list[LogRecord]:
    call = {"id": "call-1", "type": "function", "function": {"name": "find", "arguments": '{"order": 7}'}}
    answer = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "货已发出。"}}
    steps: list[tuple[str, Any]] = [
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": "退款在哪里？"}),
        ("gen_ai.assistant.message", {"tool_calls": [call]}),
        ("gen_ai.tool.message", {"id": "call-1", "content": "shipped"}),
        ("gen_ai.choice", answer),
    ]
    return [
        make_record(name, body, {"gen_ai.system": "openai"}, at_ns=1_000 + place, is_named_by_attribute=old_names)
        for place, (name, body) in enumerate(steps)
    ]


def check_conversation(traces: Traces) -> None:
    detail = traces.span(SCOPE, TRACE_ID, SPAN_ID)
    assert [message.role for message in detail.input_messages] == ["system", "user", "assistant", "tool"]
    assert detail.input_messages[1].text == "退款在哪里？"
    called = detail.input_messages[2].parts[0]
    assert (called.type, called.tool_name, called.tool_call_id) == ("tool_call", "find", "call-1")
    answered = detail.input_messages[3].parts[0]
    assert (answered.type, answered.tool_call_id, answered.data) == ("tool_call_response", "call-1", "shipped")
    assert [(message.role, message.text) for message in detail.output_messages] == [("assistant", "货已发出。")]
    assert detail.finish_reasons == ("stop",)
    summary = traces.get(SCOPE, TRACE_ID).summary
    assert (summary.input_preview, summary.output_preview) == ("退款在哪里？", "货已发出。")
    for words in ("退款在哪里", "货已发出", "shipped"):
        assert [item.trace_id for item in traces.list(SCOPE, TraceFilter(text=words)).items] == [TRACE_ID]


@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize("logs_first", [False, True])
def test_messages_join_their_span_in_either_order(
    app: KeyNamesCaller, traces: Traces, logs_first: bool, old_names: bool
) -> None:
    if logs_first:
        assert send_logs(app, *conversation(old_names=old_names)) == (0, "")
        assert traces.list(SCOPE).items == []
    send_span(app)
    traces.update_index()
    if not logs_first:
        assert send_logs(app, *conversation(old_names=old_names)) == (0, "")
    check_conversation(traces)


@pytest.mark.parametrize("logs_first", [False, True])
def test_mlflows_clients_are_told_what_log_records_say(
    app: KeyNamesCaller, traces: Traces, database: Database, logs_first: bool
) -> None:
    for send in (lambda: send_logs(app, *conversation()), lambda: send_span(app))[:: 1 if logs_first else -1]:
        send()
    service = MlflowTraces(traces, database)
    [told] = service.get(SCOPE, f"tr-{TRACE_ID}")["trace"]["spans"]
    values = {pair["key"]: any_value(json_format.ParseDict(pair["value"], AnyValue())) for pair in told["attributes"]}
    asked, answered = values["mlflow.spanInputs"], values["mlflow.spanOutputs"]
    assert [message["content"] for message in asked] == ["Be brief.", "退款在哪里？", None, "shipped"]
    assert asked[2]["tool_calls"][0]["function"]["name"] == "find"
    assert answered == [{"role": "assistant", "content": "货已发出。"}]
    with pytest.raises(NotFoundError):
        service.get(Scope(tenant_id="zed", project_id="default"), f"tr-{TRACE_ID}")


def test_a_replay_changes_nothing(app: KeyNamesCaller, traces: Traces) -> None:
    send_span(app)
    for _ in range(3):
        assert send_logs(app, *conversation()) == (0, "")
    check_conversation(traces)


def test_messages_of_one_moment_keep_the_order_of_their_request(app: KeyNamesCaller, traces: Traces) -> None:
    said = [f"line {number}" for number in range(20)]
    send_span(app)
    assert send_logs(app, *(make_record("gen_ai.user.message", {"content": text}) for text in said)) == (0, "")
    assert [message.text for message in traces.span(SCOPE, TRACE_ID, SPAN_ID).input_messages] == said


@pytest.mark.parametrize("logs_first", [False, True])
def test_details_of_a_call_are_read_like_its_attributes(app: KeyNamesCaller, traces: Traces, logs_first: bool) -> None:
    content: list[Any] = [{"role": "user", "parts": [{"type": "text", "content": "hello there"}]}]
    answer: list[Any] = [
        {"role": "assistant", "parts": [{"type": "text", "content": "general"}], "finish_reason": "stop"}
    ]
    details = {
        "gen_ai.input.messages": content,
        "gen_ai.output.messages": json.dumps(answer),
        "gen_ai.system_instructions": [{"type": "text", "content": "Be kind."}],
        "gen_ai.request.model": "the span knows better",
    }
    sent = make_record("gen_ai.client.inference.operation.details", None, details)
    if logs_first:
        send_logs(app, sent)
    send_span(app)
    if not logs_first:
        send_logs(app, sent)
    detail = traces.span(SCOPE, TRACE_ID, SPAN_ID)
    assert [message.role for message in detail.input_messages] == ["system", "user"]
    assert (detail.output_messages[0].text, detail.request_model) == ("general", "m")
    assert traces.get(SCOPE, TRACE_ID).summary.input_preview == "hello there"
    assert len(traces.list(SCOPE, TraceFilter(text="general")).items) == 1


def test_an_exception_event_tells_what_went_wrong(app: KeyNamesCaller, traces: Traces) -> None:
    send_span(app, error="")
    said = {"exception.type": "Timeout", "exception.message": "too slow"}
    assert send_logs(app, make_record("gen_ai.client.operation.exception", None, said)) == (0, "")
    detail = traces.span(SCOPE, TRACE_ID, SPAN_ID)
    assert (detail.error_type, detail.error_message) == ("Timeout", "too slow")


def test_what_is_not_kept_is_counted_exactly_and_takes_no_neighbour_along(app: KeyNamesCaller, traces: Traces) -> None:
    plain = LogRecord(severity_text="INFO", body=any_value_of("starting"), trace_id=trace_id_of(1))
    lost, zero, late = (make_record("gen_ai.user.message", {"content": "x"}) for _ in range(3))
    lost.span_id = b"12"
    zero.trace_id = bytes(16)
    late.time_unix_nano = 2**64 - 1
    send_span(app)
    assert send_logs(app, plain, *conversation(), lost, zero, late) == (4, NOT_KEPT)
    assert send_logs(app, lost) == (1, NO_SPAN)
    assert send_logs(app, late) == (1, BAD_TIME)
    check_conversation(traces)


def test_an_evaluation_result_is_a_score_once(app: KeyNamesCaller, traces: Traces) -> None:
    said = {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.score.label": "pass",
        "gen_ai.evaluation.explanation": "on topic",
    }
    label = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "friendly"}
    records = [
        make_record("gen_ai.evaluation.result", None, said),
        make_record("gen_ai.evaluation.result", None, label),
    ]
    for _ in range(2):
        assert send_logs(app, *records) == (0, "")
    found = {score.name: score for score in traces.scores(SCOPE, trace_ids=[TRACE_ID])}
    assert len(traces.scores(SCOPE)) == 2
    assert (found["relevance"].value, found["relevance"].comment) == (0.75, "pass: on topic")
    assert (found["tone"].value, found["tone"].type, found["tone"].span_id) == ("friendly", "label", SPAN_ID)
    assert found["tone"].principal == "key:acme"


@pytest.mark.parametrize(
    "said",
    [{}, {"gen_ai.evaluation.name": "x"}, {"gen_ai.evaluation.score.value": 1.0},
     {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": float("nan")}],
)  # fmt: skip
def test_an_evaluation_without_a_result_is_refused(app: KeyNamesCaller, said: dict[str, Any]) -> None:
    assert send_logs(app, make_record("gen_ai.evaluation.result", None, said)) == (1, NO_RESULT)


def test_who_may_not_write_scores_writes_none_and_keeps_the_rest(traces: Traces) -> None:
    """A key that is limited to traces: its evaluation results are counted, its messages kept."""
    limited = Caller(
        tenant_id="acme",
        project_id="default",
        principal="key:limited",
        role=Role.DEVELOPER,
        scopes=frozenset({Permission.TRACES_WRITE}),
    )
    said = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": 1.0}
    request = logs_request([make_record("gen_ai.evaluation.result", None, said), *conversation()])
    (export,) = read_logs(request, limited, 0, None, None)
    assert (export.rejected, export.problem, len(export.logs), export.scores) == (1, NO_SCORES, 5, [])


def test_who_may_not_write_is_refused(app: KeyNamesCaller) -> None:
    body = logs_request(conversation()).SerializeToString()
    for path in ("/v1/logs", "/v1/metrics"):
        assert post(app, path, body, key="acme/default/viewer").status_code == 403
        assert post(app, path, body, key="").status_code == 401


def test_another_tenants_records_never_join(app: KeyNamesCaller, traces: Traces) -> None:
    send_span(app)
    assert send_logs(app, *conversation(), key="other") == (0, "")
    assert send_logs(app, *conversation(), key="acme/lab") == (0, "")
    detail = traces.span(SCOPE, TRACE_ID, SPAN_ID)
    assert (detail.input_messages, detail.events) == ((), ())
    assert traces.get(SCOPE, TRACE_ID).summary.input_preview is None
    assert traces.list(SCOPE, TraceFilter(text="shipped")).items == []


def test_a_deleted_scope_leaves_no_record_behind(app: KeyNamesCaller, traces: Traces) -> None:
    send_logs(app, *conversation())
    send_logs(app, *conversation(), key="other")
    traces.delete_scope(SCOPE)
    send_span(app)
    assert traces.span(SCOPE, TRACE_ID, SPAN_ID).input_messages == ()
    other = Scope(tenant_id="other", project_id="default")
    body = export_request([make_span(attributes=CHAT)]).SerializeToString()
    assert post(app, "/v1/traces", body, key="other").status_code == 200
    assert len(traces.span(other, TRACE_ID, SPAN_ID).input_messages) == 4


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_json_records_are_read_like_binary_ones(
    app: KeyNamesCaller, traces: Traces, encoding: str, compress: Any
) -> None:
    document = json_format.MessageToDict(logs_request(conversation()))
    for item in document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        item.update(traceId=TRACE_ID.upper(), spanId=SPAN_ID, somethingNew={"x": 1})
    body = compress(json.dumps(document).encode())
    response = post(app, "/v1/logs", body, {"content-type": JSON, "content-encoding": encoding})
    assert (response.status_code, response.headers["content-type"], response.json()) == (200, JSON, {})
    send_span(app)
    check_conversation(traces)


def test_metrics_are_refused_by_count_and_said_why(app: KeyNamesCaller) -> None:
    request = ExportMetricsServiceRequest()
    scoped = request.resource_metrics.add().scope_metrics.add()
    scoped.metrics.add(name="a").gauge.data_points.add(as_int=1)
    for _ in range(2):
        scoped.metrics.add(name="b").sum.data_points.add(as_int=1)
    scoped.metrics.add(name="c").histogram.data_points.add(count=1)
    scoped.metrics.add(name="d").exponential_histogram.data_points.add(count=1)
    scoped.metrics.add(name="e").summary.data_points.add(count=1)
    scoped.metrics.add(name="empty")
    response = post(app, "/v1/metrics", request.SerializeToString())
    partial = ExportMetricsServiceResponse.FromString(response.content).partial_success
    assert (response.status_code, partial.rejected_data_points) == (200, 6)
    assert partial.error_message == METRICS_ARE_DERIVED
    as_json = post(app, "/v1/metrics", json_format.MessageToJson(request).encode(), {"content-type": JSON})
    assert as_json.json()["partialSuccess"]["rejectedDataPoints"] == "6"
    assert post(app, "/v1/metrics", b"").content == b""
    assert post(app, "/v1/metrics", b"\xff").status_code == 400


def test_joining_nothing_leaves_the_bytes_and_order_of_time_is_the_callers(traces: Traces) -> None:
    raw = make_span(attributes=CHAT).SerializeToString()
    assert joined(raw, ()) is raw


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.sampled_from(list(permutations(range(4)))), trace=st.integers(2, 2**40))
def test_any_order_of_spans_and_records_gives_one_result(
    app: KeyNamesCaller, traces: Traces, order: tuple[int, ...], trace: int
) -> None:
    """A root that says nothing and its call, the question and the answer, in every order of arrival."""
    root = make_span(1, trace=trace, name="root")
    call = make_span(2, trace=trace, parent=1, name="chat m", attributes=CHAT, start_ns=root.start_time_unix_nano)
    asked = make_record("gen_ai.user.message", {"content": "why?"}, trace=trace, span=2)
    said = make_record("gen_ai.choice", {"message": {"content": "because"}}, at_ns=2_000, trace=trace, span=2)
    requests: list[tuple[str, bytes]] = [
        ("/v1/traces", export_request([root]).SerializeToString()),
        ("/v1/traces", export_request([call]).SerializeToString()),
        ("/v1/logs", logs_request([asked]).SerializeToString()),
        ("/v1/logs", logs_request([said]).SerializeToString()),
    ]
    for place in order:
        path, body = requests[place]
        assert post(app, path, body).status_code == 200
    summary = traces.get(SCOPE, trace_id_of(trace).hex()).summary
    assert (summary.input_preview, summary.output_preview, summary.num_spans) == ("why?", "because", 2)
    detail = traces.span(SCOPE, trace_id_of(trace).hex(), span_id_of(2).hex())
    assert (detail.input_messages[0].text, detail.output_messages[0].text) == ("why?", "because")


def test_records_of_an_erased_trace_go_and_later_ones_are_dropped(app: KeyNamesCaller, traces: Traces) -> None:
    send_span(app)
    assert send_logs(app, *conversation()) == (0, "")
    assert send_logs(app, *conversation(), key="other") == (0, "")
    said = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": 1.0}
    with traces._database.transaction(SCOPE) as tx:
        assert remove_traces(tx, [TRACE_ID], now_ns=1, leaves_marks=True).num_spans == 1
    assert send_logs(app, *conversation(), make_record("gen_ai.evaluation.result", None, said)) == (0, "")
    with traces._database.system("test", write=False) as tx:
        assert set(tx.execute(select(span_logs.c.tenant_id)).scalars()) == {"other"}
    assert traces.scores(SCOPE) == []


def test_a_trace_that_never_came_is_erased_with_its_records(app: KeyNamesCaller, traces: Traces) -> None:
    assert send_logs(app, *conversation()) == (0, "")
    with traces._database.transaction(SCOPE) as tx:
        mark_erased(tx, [TRACE_ID], now_ns=1)
    with traces._database.system("test", write=False) as tx:
        assert tx.execute(select(span_logs.c.tenant_id)).all() == []


def test_an_export_holds_what_records_say(app: KeyNamesCaller, traces: Traces) -> None:
    send_span(app)
    assert send_logs(app, *conversation()) == (0, "")
    order = ExportOrder(level=ExportLevel.SPANS, format=ExportFormat.JSONL)
    (line,) = b"".join(traces.exports.open(SCOPE, order)).decode().splitlines()
    assert "退款在哪里" in line
    assert "货已发出" in line
