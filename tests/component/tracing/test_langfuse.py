"""Langfuse's paths: what its stock client sends is taken, on the real authentication layer."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Permission
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.langfuse import build_langfuse_routes
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import SIGNALS
from aiplatform.tracing.status_bodies import StatusBodies

OTEL = "/api/public/otel/v1/traces"
ACME = Scope(tenant_id="acme", project_id="default")
TRACE_ID = trace_id_of(1).hex()


@pytest.fixture
def ready(platform: PlatformUnderTest, traces: Traces) -> PlatformUnderTest:
    entries = tuple(SignalEntry(traces, signal) for signal in SIGNALS)
    platform.attach(build_langfuse_routes(traces, entries, max_body_bytes=2**20))
    platform.app.add_middleware(StatusBodies)
    return platform


def client(ready: PlatformUnderTest, key: str) -> httpx.Client:
    pair = base64.b64encode(f"pk-lf-anything:{key}".encode()).decode()
    http = ready.client(key=key)
    http.headers["authorization"] = f"Basic {pair}"
    return http


def test_spans_are_taken_with_a_key_as_the_secret_key(ready: PlatformUnderTest, traces: Traces) -> None:
    http = client(ready, ready.key(tenant="acme"))
    headers = {"content-type": "application/x-protobuf", "x-langfuse-sdk-name": "python"}
    body = export_request([make_span(attributes={"langfuse.observation.type": "generation"})]).SerializeToString()
    assert http.post(OTEL, content=body, headers=headers).status_code == 200
    assert traces.get(ACME, TRACE_ID).spans[0].kind == "llm"


def test_refusals_speak_otlp(ready: PlatformUnderTest) -> None:
    nobody = ready.client(None).post(OTEL, content=b"", headers={"content-type": "application/x-protobuf"})
    assert (nobody.status_code, Status.FromString(nobody.content).code) == (401, 16)
    assert client(ready, ready.key()).get(OTEL).status_code == 405
    scoped = ready.key(tenant="acme", scopes=[Permission.SCORES_WRITE])
    refused = client(ready, scoped).post(OTEL, content=b"", headers={"content-type": "application/x-protobuf"})
    assert (refused.status_code, Status.FromString(refused.content).code) == (403, 7)


def test_a_key_is_shown_its_own_project_alone(ready: PlatformUnderTest) -> None:
    ready.key(tenant="other", project="secret")
    answer = client(ready, ready.key(tenant="acme")).get("/api/public/projects")
    assert [(one["id"], one["organization"]["id"]) for one in answer.json()["data"]] == [("default", "acme")]
    assert ready.client(None).get("/api/public/projects").status_code == 401


@pytest.mark.parametrize(
    ("sent", "value", "kind"),
    [
        ({"value": 0.5}, 0.5, "numeric"),
        ({"value": 1, "dataType": "NUMERIC"}, 1.0, "numeric"),
        ({"value": 1.0, "dataType": "BOOLEAN"}, True, "boolean"),
        ({"value": 0, "dataType": "BOOLEAN"}, False, "boolean"),
        ({"value": "good", "dataType": "CATEGORICAL"}, "good", "label"),
        ({"value": "long words", "dataType": "TEXT"}, "long words", "text"),
    ],
)
def test_every_kind_of_score_is_kept(
    ready: PlatformUnderTest, traces: Traces, sent: dict[str, Any], value: Any, kind: str
) -> None:
    http = client(ready, ready.key(tenant="acme"))
    score = {"id": "abc123", "traceId": TRACE_ID, "name": "quality", "comment": "so", "environment": "dev", **sent}
    assert http.post("/api/public/scores", json=score).json() == {"id": "abc123"}
    again = http.post("/api/public/scores", json=[score])
    assert (again.status_code, again.json()) == (202, {"message": "Accepted"})
    (found,) = traces.scores(ACME)
    assert (found.value, found.type, found.comment, found.score_id) == (value, kind, "so", "abc123")
    assert type(found.value) is type(value)


def test_of_a_list_each_score_stands_for_itself(ready: PlatformUnderTest, traces: Traces) -> None:
    http = client(ready, ready.key(tenant="acme"))
    good = {"traceId": TRACE_ID, "observationId": "ab" * 8, "name": "a", "value": 1}
    bad: list[Any] = [
        {"sessionId": "s", "name": "a", "value": 1},
        {"traceId": "short", "name": "a", "value": 1},
        {"traceId": TRACE_ID, "value": 1},
        {"traceId": TRACE_ID, "name": "a", "value": 2, "dataType": "BOOLEAN"},
        {"traceId": TRACE_ID, "name": "a", "value": "x", "dataType": "NUMERIC"},
        "nonsense",
    ]
    answer = http.post("/api/public/scores", json=[*bad, good])
    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, len(bad))
    assert all(error["message"] for error in answer.json()["errors"])
    assert [score.span_id for score in traces.scores(ACME)] == ["ab" * 8]
    assert http.post("/api/public/scores", json=bad[0]).status_code == 400
    assert http.post("/api/public/scores", json=[good] * 1001).status_code == 400


def test_scores_stay_in_their_tenant(ready: PlatformUnderTest, traces: Traces) -> None:
    score = {"id": "same", "traceId": TRACE_ID, "name": "a", "value": 1}
    for tenant, value in (("acme", 1), ("other", 2)):
        http = client(ready, ready.key(tenant=tenant))
        assert http.post("/api/public/scores", json={**score, "value": value}).status_code == 200
    assert [found.value for found in traces.scores(ACME)] == [1.0]
    viewer = ready.key(tenant="acme", scopes=[Permission.TRACES_WRITE])
    assert client(ready, viewer).post("/api/public/scores", json=score).status_code == 403
