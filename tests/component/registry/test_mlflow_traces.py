"""Traces of unmodified MLflow clients, over HTTP, from another process: they rest in the platform's own store."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, logs_request, make_record, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource, TraceFilter
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import read_logs
from aiplatform.tracing.values import any_value
from tests.component.registry.conftest import HostedMlflow


def stock_tracer(hosted: HostedMlflow, key: str, *arguments: str) -> dict[str, Any]:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": f"{hosted.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": key,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    command = [sys.executable, "-m", "tests.component.registry.stock_tracer", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return result


@pytest.fixture(scope="module")
def used(hosted: HostedMlflow) -> dict[str, Any]:
    return stock_tracer(hosted, hosted.platform.key(tenant="tracers"), "use")


@pytest.fixture
def traces(hosted: HostedMlflow) -> Iterator[Traces]:
    service = Traces(hosted.platform.database)
    yield service
    service.close()


def test_a_stock_client_gets_the_trace_that_it_wrote(used: dict[str, Any]) -> None:
    question = "What is the capital of France?"
    passage = {"page_content": "Paris is the capital.", "metadata": {"doc_uri": "fr"}, "id": "fr"}
    assert used["spans"] == [
        {"name": "answer", "type": "CHAIN", "in": {"question": question}, "out": "Paris is the capital. 巴黎",
         "parent": False},
        {"name": "look_up", "type": "RETRIEVER", "in": {"question": question}, "out": [passage], "parent": True},
        {"name": "call", "type": "CHAT_MODEL", "in": {"messages": [{"role": "user", "content": question}]},
         "out": {"choices": [{"message": {"role": "assistant", "content": "巴黎"}}]}, "parent": True},
    ]  # fmt: skip
    assert used["tier"] == "gold"
    tokens = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    info = dict(used["info"])
    assert question in info.pop("request")
    assert info == {
        "state": "OK", "experiment": used["experiment"], "env": "prod", "tokens": tokens, "build": "7",
        "has_time": True,
    }  # fmt: skip
    assert "no such page" in used["failed"]


def test_its_attachments_are_kept_as_artifacts(used: dict[str, Any]) -> None:
    assert used["picture"] is True


def test_its_tags_and_assessments_are_kept(used: dict[str, Any]) -> None:
    assert used["tags"] == {"env": "prod", "reviewed": "yes"}
    assert used["changed"] == "y"
    assert used["old_is_valid"] is False
    assert used["assessments"] == [
        ["expected", {"answer": "Paris"}, "HUMAN", None],
        ["polite", True, "CODE", True],
        ["quality", 0.4, "CODE", True],
        ["quality", 0.8, "LLM_JUDGE", False],
    ]


def test_its_searches_find_what_they_ask_for(used: dict[str, Any]) -> None:
    both, first, second = 2, [True], [False]
    found = used["searches"]
    assert len(found.pop("")) == both
    assert len(found.pop("timestamp_ms > 0 AND execution_time_ms >= 0")) == both
    assert found.pop("status = 'ERROR'") == second
    assert found.pop("tags.reviewed IS NULL") == second
    assert found.pop("feedback.quality > 0.5") == [], "an overridden score holds no longer"
    assert set(map(tuple, found.values())) == {tuple(first)}, found
    assert used["pages"] == [[used["trace_id"]], [used["second"]]]
    assert used["last_page"] is None
    assert used["of_run"] == 1


def test_what_it_deletes_is_gone(used: dict[str, Any], hosted: HostedMlflow, traces: Traces) -> None:
    assert used["deleted"] == 1
    assert used["left"] == [used["trace_id"]]
    scope = hosted.platform.caller(tenant="tracers").scope
    gone = used["second"].removeprefix("tr-")
    assert gone not in [item.trace_id for item in traces.list(scope).items]
    assert not traces.scores(scope, trace_ids=[gone])
    assert not traces.list(scope, TraceFilter(text="such page")).items


def test_the_platform_shows_its_trace_and_scores_as_its_own(
    used: dict[str, Any], hosted: HostedMlflow, traces: Traces
) -> None:
    scope = hosted.platform.caller(tenant="tracers").scope
    tree = traces.get(scope, used["trace_id"])
    assert [(span.name, str(span.kind), span.depth) for span in tree.spans] == [
        ("answer", "chain", 0), ("look_up", "retriever", 1), ("call", "llm", 1),
    ]  # fmt: skip
    assert (tree.summary.session_id, tree.summary.user_id) == ("s-1", "lin")
    assert tree.summary.usage.total_tokens == 15
    scores = {score.name: score for score in tree.scores}
    assert set(scores) == {"quality", "polite", "expected"}
    assert (scores["quality"].value, scores["quality"].comment) == (0.4, "too long")
    assert (scores["polite"].value, scores["polite"].source) == (True, ScoreSource.CODE)
    assert json.loads(str(scores["expected"].value)) == {"answer": "Paris"}


def test_another_tenants_client_finds_and_changes_nothing(hosted: HostedMlflow, used: dict[str, Any]) -> None:
    key = hosted.platform.key(tenant="strangers")
    seen = stock_tracer(hosted, key, "look", used["trace_id"], used["experiment"])
    assert (seen.pop("found"), seen.pop("by_id"), seen.pop("deleted")) == (0, 0, 0)
    assert "No Experiment with id" in seen.pop("delete")
    nothing = seen.pop("nothing")
    assert nothing == "RESOURCE_DOES_NOT_EXIST: Trace with ID 'ID' not found."
    assert set(seen.values()) == {nothing}
    own = httpx.get(
        f"{hosted.url}/mlflow/api/3.0/mlflow/traces/{used['trace_id']}",
        headers={"authorization": f"Bearer {hosted.platform.key(tenant='tracers')}"},
    ).json()["trace"]["trace_info"]
    assert own["tags"]["env"] == "prod"
    assert "mine" not in {each["assessment_name"] for each in own["assessments"]}


def test_spans_into_another_tenants_experiment_are_refused_in_mlflows_words(
    hosted: HostedMlflow, used: dict[str, Any], traces: Traces
) -> None:
    key = hosted.platform.key(tenant="strangers")
    body = export_request([make_span(1, trace=91)]).SerializeToString()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
    answers = [
        httpx.post(
            f"{hosted.url}/mlflow/v1/traces", content=body, headers={**headers, "x-mlflow-experiment-id": experiment}
        )
        for experiment in (used["experiment"], "987654")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(used["experiment"], "ID") == answers[1].text.replace("987654", "ID")
    assert not traces.list(hosted.platform.caller(tenant="strangers").scope).items


def test_traces_of_other_emitters_read_like_mlflows(hosted: HostedMlflow) -> None:
    key = hosted.platform.key(tenant="others")
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    span = make_span(1, trace=92, name="chat", attributes={
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.input.messages": messages,
    })  # fmt: skip
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"{hosted.url}/mlflow", headers=headers) as http:
        sent = http.post(
            "/v1/traces",
            content=export_request([span]).SerializeToString(),
            headers={"content-type": "application/x-protobuf"},
        )
        assert sent.status_code == 200
        found = http.post(
            "/api/3.0/mlflow/traces/search",
            json={"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "filter": "name = 'chat'"},
        ).json()["traces"]
        whole = http.get("/api/3.0/mlflow/traces/get", params={"trace_id": found[0]["trace_id"]}).json()["trace"]
    attributes = {
        each["key"]: any_value(json_format.ParseDict(each["value"], AnyValue()))
        for each in whole["spans"][0]["attributes"]
    }
    assert attributes["mlflow.spanType"] == "CHAT_MODEL"
    assert attributes["mlflow.spanInputs"] == [{"role": "user", "content": "hi"}]
    assert attributes["gen_ai.request.model"] == "m"


def test_a_stock_client_reads_what_was_said_in_log_records(hosted: HostedMlflow, traces: Traces) -> None:
    caller = hosted.platform.caller(tenant="loggers")
    span = make_span(1, trace=93, name="chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.system": "openai"})
    traces.ingest(caller.scope, export_request([span]).SerializeToString())
    asked = make_record("gen_ai.user.message", {"content": "退款在哪里？"}, trace=93)
    said = make_record(
        "gen_ai.choice", {"message": {"role": "assistant", "content": "On its way."}}, trace=93, at_ns=2_000
    )
    for export in read_logs(logs_request([asked, said]), caller, 10, None, traces.redaction.of):
        traces.incoming.submit(export).result()
    seen = stock_tracer(hosted, hosted.platform.key(tenant="loggers"), "read", f"tr-{trace_id_of(93).hex()}")
    assert seen["spans"] == [
        {"name": "chat", "in": [{"role": "user", "content": "退款在哪里？"}],
         "out": [{"role": "assistant", "content": "On its way."}]}
    ]  # fmt: skip
    assert seen["events"] == [["gen_ai.user.message", "gen_ai.choice"]]


def test_spans_under_the_prefix_are_bound_by_the_settings_too(hosted: HostedMlflow) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(tenant='large')}"}
    address = f"{hosted.url}/mlflow/v1/traces"
    for size, status in ((2**20 - 2**12, 200), (2**20 + 2**12, 413)):
        body = export_request([make_span(1, trace=94, attributes={"x": "x" * size})]).SerializeToString()
        for encoding, sent in (("identity", body), ("gzip", gzip.compress(body))):
            more = {"content-type": "application/x-protobuf", "content-encoding": encoding}
            assert httpx.post(address, content=sent, headers={**headers, **more}).status_code == status


def test_a_viewer_reads_traces_and_changes_none(hosted: HostedMlflow, used: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(Role.VIEWER, tenant='tracers')}"}
    path = f"/api/3.0/mlflow/traces/{used['trace_id']}"
    with httpx.Client(base_url=f"{hosted.url}/mlflow", headers=headers) as http:
        assert http.get(path).status_code == 200
        refused = [
            http.patch(f"{path}/tags", json={"key": "a", "value": "b"}),
            http.post(f"{path}/assessments", json={"assessment": {"assessment_name": "a", "feedback": {"value": 1}}}),
            http.post("/api/3.0/mlflow/traces", json={}),
            http.post("/api/2.0/mlflow/traces/delete-traces", json={"experiment_id": "0"}),
            http.post("/v1/traces", content=b""),
        ]
    assert {answer.status_code for answer in refused} == {403}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/3.0/mlflow/traces/metrics"),
        ("POST", "/api/3.0/mlflow/traces/calculate-filter-correlation"),
        ("POST", "/api/2.0/mlflow/traces"),
        ("GET", "/ajax-api/3.0/mlflow/traces/search"),
    ],
)
def test_routes_of_traces_that_are_not_served_are_not_there(hosted: HostedMlflow, method: str, path: str) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(Role.ADMIN)}"}
    answer = httpx.request(method, f"{hosted.url}/mlflow{path}", headers=headers, json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"filter": 7},
        {"order_by": "timestamp_ms"},
        {"locations": {}},
        {"max_results": 501},
        {"max_results": "many"},
        {"page_token": "x"},
    ],
)
def test_a_search_with_a_wrong_value_is_refused(hosted: HostedMlflow, body: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(tenant='tracers')}"}
    answer = httpx.post(f"{hosted.url}/mlflow/api/3.0/mlflow/traces/search", headers=headers, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("filter_string", ["status", "status = 'OK' OR name = 'x'", "colour = 'red'", "status > 'OK'"])
def test_a_filter_that_cannot_be_read_is_refused(hosted: HostedMlflow, filter_string: str) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(tenant='tracers')}"}
    answer = httpx.post(
        f"{hosted.url}/mlflow/api/3.0/mlflow/traces/search",
        headers=headers,
        json={"locations": [], "filter": filter_string},
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
