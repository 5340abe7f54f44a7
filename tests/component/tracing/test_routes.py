"""The room's REST interface and the Python nouns that speak to it, over a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from typer.testing import CliRunner

from aiplatform.cli.traces import app as traces_command
from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.tenancy.responses import install_error_handlers
from aiplatform.tenancy.routing import attach
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing import api
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller

TRACE_ID = trace_id_of(1).hex()


@pytest.fixture
def api_url(traces: Traces) -> Iterator[str]:
    app = FastAPI()
    install_error_handlers(app)
    attach(app, [build_routes(traces)])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(KeyNamesCaller(app), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def client(api_url: str) -> Iterator[Client]:
    with Client(Credentials(url=api_url, project_id="default", key="acme")) as opened:
        yield opened


def ingest(traces: Traces, *spans: Any) -> None:
    traces.ingest(SCOPE, export_request(spans).SerializeToString())


def test_traces_are_listed_page_by_page(traces: Traces, client: Client) -> None:
    ingest(
        traces,
        *(
            make_span(trace=number, name=f"t{number}", start_ns=make_span().start_time_unix_nano + number)
            for number in range(1, 6)
        ),
    )
    first = client.get("/api/v1/traces", limit=2)
    assert [item["name"] for item in first["items"]] == ["t5", "t4"]
    assert [item["name"] for item in client.get("/api/v1/traces", limit=4, page=first["next"])["items"]] == [
        "t3",
        "t2",
        "t1",
    ]
    assert [item["name"] for item in api.list(limit=3, client=client)] == ["t5", "t4", "t3"]
    assert [item["name"] for item in api.list("name:t2", client=client)] == ["t2"]
    assert [item["name"] for item in api.list("t4", client=client)] == ["t4"]
    with pytest.raises(InvalidError, match="duraton"):
        list(api.list("duraton:2s", client=client))


def test_one_language_is_read_over_http_and_in_python(traces: Traces, client: Client, api_url: str) -> None:
    ingest(traces, make_span(trace=1, name="good", attributes={"http.status_code": 200}))
    ingest(traces, make_span(trace=2, name="bad", attributes={"http.status_code": 503}))
    line = "attributes.http.status_code >= 500 OR span(name = absent)"
    answer = client.get("/api/v1/traces", q=line)
    assert [item["name"] for item in answer["items"]] == ["bad"]
    assert answer["freshness"]["is_current"]
    assert [item["name"] for item in api.list(f"NOT ({line})", client=client)] == ["good"]
    completion = client.get("/api/v1/traces/complete", q="attributes.http.s", at=17)
    assert completion["items"] == [{"text": "attributes.http.status_code", "what": ""}]
    assert (completion["start"], completion["end"]) == (0, 17)
    with Client(Credentials(url=api_url, project_id="default", key="rival")) as rival:
        assert rival.get("/api/v1/traces/complete", q="attributes.")["items"] == []
        assert rival.get("/api/v1/traces", q=line)["items"] == []
    with pytest.raises(InvalidError) as caught:
        client.get("/api/v1/traces", q="kind:agent and duraton > 2s")
    assert str(caught.value.hint).endswith("duraton > 2s\n               ^^^^^^^")


def test_a_trace_and_its_spans_are_read(traces: Traces, client: Client) -> None:
    ingest(traces, make_span(1, name="root"), make_span(2, parent=1, attributes={"input.value": '{"名": "值"}'}))
    found = api.get(TRACE_ID, client=client)
    assert [(row["name"], row["depth"]) for row in found["spans"]] == [("root", 0), ("span", 1)]
    assert found["usage"]["total_tokens"] is None
    detail = api.span(TRACE_ID, span_id_of(2).hex(), client=client)
    assert detail["input"] == {"名": "值"}
    assert detail["resource"]["service.name"] == "tests"
    assert api.url(TRACE_ID, client=client).endswith(f"/traces/{TRACE_ID}")
    with pytest.raises(NotFoundError):
        api.get(trace_id_of(2).hex(), client=client)
    with pytest.raises(InvalidError):
        api.get("nonsense", client=client)


def test_a_trace_and_a_span_are_sent_again_only_when_they_changed(traces: Traces, api_url: str) -> None:
    ingest(traces, make_span(1, name="root"))

    def get(path: str, tag: str = "", who: str = "acme") -> httpx.Response:
        headers = {"authorization": f"Bearer {who}", **({"if-none-match": tag} if tag else {})}
        return httpx.get(f"{api_url}/api/v1/traces/{TRACE_ID}{path}", headers=headers)

    whole, part = get(""), get(f"/spans/{span_id_of(1).hex()}")
    tag, own = whole.headers["etag"], part.headers["etag"]
    for path, known in (("", tag), ("", f'"x", W/{tag}'), ("", "*"), (f"/spans/{span_id_of(1).hex()}", own)):
        again = get(path, known)
        assert (again.status_code, again.content) == (304, b"")
    assert get("", own).status_code == 200
    traces.add_score(
        SCOPE, trace_id=TRACE_ID, name="a", value=1.0, source=ScoreSource.HUMAN, principal="p", score_id="one"
    )
    scored = get("", tag)
    assert (scored.status_code, len(scored.json()["scores"])) == (200, 1)
    traces.scoring.delete(Caller(tenant_id="acme", project_id="default", principal="p", role=Role.DEVELOPER), "one")
    assert get("", scored.headers["etag"]).json()["scores"] == []
    assert get(f"/spans/{span_id_of(1).hex()}", own).status_code == 304
    ingest(traces, make_span(2, parent=1, name="late"))
    assert len(get("", tag).json()["spans"]) == 2
    for who in ("rival", "acme/other"):
        assert get("", "*", who).status_code == get("", tag, who).status_code == 404


def test_traces_are_scored(traces: Traces, client: Client, api_url: str) -> None:
    ingest(traces, make_span())
    made = api.score(TRACE_ID, "relevance", 0.5, comment="fine", score_id="r1", client=client)
    api.score(TRACE_ID, "relevance", 1.0, score_id="r1", client=client)
    api.score(TRACE_ID, "ok", True, source="human", client=client)
    assert (made["value"], made["source"], made["principal"]) == (0.5, "code", "key:acme")
    found = client.get("/api/v1/scores", trace_id=TRACE_ID)["items"]
    assert {score["name"]: score["value"] for score in found} == {"relevance": 1.0, "ok": True}
    with Client(Credentials(url=api_url, project_id="default", key="acme/default/viewer")) as viewer:
        assert api.get(TRACE_ID, client=viewer)["scores"]
        with pytest.raises(PermissionDeniedError):
            api.score(TRACE_ID, "x", 1, client=viewer)


def test_the_terminal_shows_lists_and_trees(traces: Traces, api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(
        traces, make_span(1, name="根 root", attributes={"input.value": "why?"}), make_span(2, parent=1, name="child")
    )
    monkeypatch.setenv("AIPLATFORM_URL", api_url)
    monkeypatch.setenv("AIPLATFORM_API_KEY", "acme")
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    listed = runner.invoke(traces_command, ["list", "root"])
    assert listed.exit_code == 0, listed.output
    shown = runner.invoke(traces_command, ["get", TRACE_ID])
    assert shown.exit_code == 0, shown.output
    as_json = runner.invoke(traces_command, ["list", "--json"])
    assert f'"trace_id": "{TRACE_ID}"' in as_json.stdout
    used = runner.invoke(traces_command, ["usage", "--days", "2"])
    assert used.exit_code == 0, used.output
    assert "spans" in used.stdout.splitlines()[0]
    as_json = runner.invoke(traces_command, ["usage", "--json"])
    assert '"num_spans": 2' in as_json.stdout
    scored = runner.invoke(traces_command, ["score", TRACE_ID, "relevance", "0.9", "--json"])
    assert '"value": 0.9' in scored.stdout
