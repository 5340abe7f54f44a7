"""Every emitter, installed from the index into an environment of its own, sends to the platform's real endpoint."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import KeyNamesCaller, signals_app
from tests.emitters.emitters import CALLS, EMITTERS, environment, run_call
from tests.emitters.provider import provider
from tests.emitters.records import EXPECTED, NO_SPAN, model_call, record_of, unknown_to

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emitters")


@pytest.fixture
def traces(sqlite_database: Database, tmp_path: Path) -> Iterator[Traces]:
    service = Traces(sqlite_database, index_path=tmp_path / "text.db")
    yield service
    service.close()


@pytest.fixture
def endpoint(traces: Traces) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(KeyNamesCaller(signals_app(traces)), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("name", EMITTERS)
def test_an_emitter_sends_the_one_record_to_the_endpoint(
    name: str, environments: Path, traces: Traces, endpoint: str
) -> None:
    emitter = EMITTERS[name]
    python = environment(emitter, environments)
    with provider() as provider_url:
        for call in CALLS:
            # A project a call: its spans are told apart whatever their ids and names are.
            scope = Scope(tenant_id="acme", project_id=call)
            headers = f"authorization=Bearer%20acme/{call}/developer"
            run_call(emitter, python, call, provider_url=provider_url, endpoint=endpoint, headers=headers)
            details = [
                traces.span(scope, item.trace_id, row.span_id)
                for item in traces.list(scope).items
                for row in traces.get(scope, item.trace_id).spans
            ]
            found = model_call(details)
            unknown = unknown_to(name, call)
            if unknown >= NO_SPAN:
                assert found is None
                continue
            assert found is not None
            record = record_of(found)
            expected = {field: value for field, value in EXPECTED[call].items() if field not in unknown}
            assert {field: record[field] for field in expected} == expected
