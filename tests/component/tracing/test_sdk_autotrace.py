"""`aip.autotrace` with real instrumentations: two for OpenAI, one each for httpx and requests."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE
from tests.component.tracing.test_sdk_processes import run

NEEDED = ("openinference.instrumentation.openai", "opentelemetry.instrumentation.httpx")


def is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not all(map(is_there, NEEDED)), reason="the instrumentations are not installed")


@pytest.fixture
def openai_url() -> Iterator[str]:
    """A server that answers every chat."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "tea"}}
            usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
            answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice]}
            body = json.dumps({**answer, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join(10)


APPLICATION = """
import sys
import aiplatform as aip
import openai, requests

aip.init()
found = aip.autotrace(only=["openai", "httpx", "httpx2", "requests"])
on = {(one.name, one.package) for one in found if one.is_on}
assert on == {
    ("openai", "openinference-instrumentation-openai"),
    ("httpx", "opentelemetry-instrumentation-httpx"),
    ("httpx2", "opentelemetry-instrumentation-httpx"),
    ("requests", "opentelemetry-instrumentation-requests"),
}, found
(rival,) = [one for one in found if not one.is_on]
assert rival.package == "opentelemetry-instrumentation-openai"
assert rival.problem == "openinference-instrumentation-openai watches openai"
assert aip.autotrace(only=["openai", "httpx", "httpx2", "requests"]) == found

def ask(name):
    with aip.span(name, kind="agent"):
        client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "what?"}])
        requests.post(sys.argv[1], json={})

ask("traced")
stopped = aip.stop_autotrace()
assert {one.package for one in stopped} == {package for _, package in on}
assert not any(one.is_on for one in stopped)
ask("untraced")
# The rival has its turn where the preferred one is left off.
found = aip.autotrace(only=["openai"], without=["openinference-instrumentation-openai"])
assert [(one.package, one.is_on) for one in found] == [("opentelemetry-instrumentation-openai", True)]
ask("by the rival")
aip.stop_autotrace(only=["openai"])
ask("untraced again")
assert aip.flush(60)
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_library_is_traced_once_and_no_more_after_the_stop(
    server_url: str, traces: Traces, openai_url: str, tmp_path: Path
) -> None:
    environment = {"AIPLATFORM_URL": server_url, "AIPLATFORM_API_KEY": "acme", "AIPLATFORM_SPILL_DIR": str(tmp_path)}
    done = run(APPLICATION, openai_url, **environment)
    assert done.returncode == 0, done.stderr
    trees = {item.name: traces.get(SCOPE, item.trace_id) for item in traces.list(SCOPE).items}
    kinds = {
        name: sorted((str(row.kind), row.depth) for row in tree.spans if row.name != name)
        for name, tree in trees.items()
    }
    # The chat, the request that it makes (below it), and the other request.
    assert [kind for kind, _ in kinds["traced"]].count("llm") == 1
    assert sorted(depth for _, depth in kinds["traced"]) == [1, 1, 2]
    assert kinds["untraced"] == kinds["untraced again"] == []
    assert [kind for kind, _ in kinds["by the rival"]] == ["llm"]
    (chat,) = [row for row in trees["traced"].spans if row.kind == "llm"]
    detail = traces.span(SCOPE, trees["traced"].summary.trace_id, chat.span_id)
    assert detail.scope_name == "openinference.instrumentation.openai"
    assert detail.usage.input_tokens == 3


BROKEN = """
import aiplatform as aip
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

def refuse(*_, **__):
    raise RuntimeError("no")

HTTPXClientInstrumentor._instrument = refuse
found = {one.package: one for one in aip.autotrace(only=["httpx", "requests"])}
assert found["opentelemetry-instrumentation-httpx"].problem == "RuntimeError: no"
assert found["opentelemetry-instrumentation-requests"].is_on
"""


def test_one_that_fails_is_named_and_stops_no_other() -> None:
    done = run(BROKEN)
    assert done.returncode == 0, done.stderr
