"""The tracing room on a real database, behind a stand-in for the authentication layer, and on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.projects import ProjectChoice
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import SIGNALS

SCOPE = Scope(tenant_id="acme", project_id="default")


class KeyNamesCaller:
    """Takes `Bearer <tenant>/<project>/<role>` for a known caller, as the authentication layer would leave it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            sent = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
            tenant, _, rest = sent.partition("/")
            project, _, role = rest.partition("/")
            caller = None
            if tenant:
                caller = Caller(
                    tenant_id=tenant,
                    project_id=project or "default",
                    principal=f"key:{tenant}",
                    role=Role(role or "developer"),
                )
            scope = {**scope, "state": {"caller": caller, "locale": "en"}}
        await self._app(scope, receive, send)


def signals_app(traces: Traces, projects: ProjectChoice | None = None, **options: Any) -> Any:
    """Every signal at its path, as the platform's door has them."""
    endpoints = {signal.path: OtlpEndpoint(SignalEntry(traces, signal, projects), **options) for signal in SIGNALS}

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await endpoints[scope["path"]](scope, receive, send)

    return answer


@pytest.fixture
def traces(database: Database, tmp_path: Path) -> Iterator[Traces]:
    service = Traces(database, index_path=tmp_path / "text.db")
    yield service
    service.close()


@pytest.fixture
def app(traces: Traces) -> KeyNamesCaller:
    return KeyNamesCaller(signals_app(traces, max_body_bytes=2 * 2**20))


@pytest.fixture
def server_url(app: KeyNamesCaller) -> Iterator[str]:
    """The endpoint on a socket of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()
