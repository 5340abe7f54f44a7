"""MLflow's own server application behind our authentication: the one module that touches MLflow's private surface.

`mlflow.server.fastapi_app` and its `_MLFLOW_SERVER_*` variables are not documented by MLflow, so the version is capped
and a contract test runs a stock client of another process against what is built here. The application must have a
process of its own: MLflow keeps its stores and its address in global variables, and a client in the same process would
resolve `mlflow-artifacts:` addresses wrongly.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import anyio
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from aiplatform.core.errors import AIPlatformError
from aiplatform.registry.allowlist import permission_for
from aiplatform.registry.mlflow_schema import migrate_sqlite
from aiplatform.registry.mlflow_traces import TraceRoutes, is_trace_route
from aiplatform.registry.sealing import SEAL_HEADER, CallerSeal
from aiplatform.registry.workspaces import WORKSPACE_HEADER, workspace_name
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.routing import caller_of
from aiplatform.tracing.entry import MAX_BODY_BYTES

if TYPE_CHECKING:
    from aiplatform.tracing.mlflow_traces import MlflowTraces

logger = logging.getLogger(__name__)

PREFIX: Final = "/mlflow"
SCHEMA: Final = "mlflow"
_SEALED: Final = SEAL_HEADER.encode()
_WORKSPACE: Final = WORKSPACE_HEADER.encode()
_DROPPED: Final = frozenset({_WORKSPACE, _SEALED, b"authorization", b"cookie", b"x-api-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowStore:
    """Where MLflow keeps its rows and files."""

    database_url: str
    artifacts_url: str
    """Folder or fsspec address below which MLflow keeps `workspaces/<name>/…`."""


def mlflow_database_url(platform_database_url: str) -> str:
    """Address of MLflow's own database beside the platform's: MLflow brings its own migrations, so tables never mix.

    On SQLite a file `mlflow.db` in the same folder, on PostgreSQL a schema `mlflow` of the same database.
    """
    url = make_url(platform_database_url)
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(url.database or '').with_name('mlflow.db')}"
    plain = url.update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    return plain.render_as_string(hide_password=False)


def mlflow_artifacts_url(platform_artifacts_url: str) -> str:
    """Folder or fsspec address of MLflow's files beside the tenants' own: no tenant's id begins like this."""
    return f"{platform_artifacts_url.rstrip('/')}/_mlflow"


def build_mlflow_app(
    store: MlflowStore,
    *,
    protect: Callable[[ASGIApp], ASGIApp],
    seal: CallerSeal,
    traces: MlflowTraces | None = None,
    max_otlp_bytes: int = MAX_BODY_BYTES,
    prefix: str = PREFIX,
) -> ASGIApp:
    """MLflow's application for one process of its own.

    Args:
        store: Where it keeps rows and files. Tables are made or migrated here.
        protect: Wraps an application with the platform's authentication, which puts the caller into the ASGI scope and
            answers errors.
        seal: Opens what other control-plane processes say about their caller.
        traces: Answers MLflow's routes of traces; without it they are not offered.
        max_otlp_bytes: Bound of an OTLP request, before and after decompression.
        prefix: Route prefix, taken off before MLflow sees the path.
    """
    _prepare(store)
    migrate_sqlite(store.database_url)
    gate = MlflowGate(_mlflow_application(), prefix=prefix, traces=traces, max_otlp_bytes=max_otlp_bytes)
    return SealedEntry(gate, protect(gate), seal)


class SealedEntry:
    """Lets the platform's own processes in by their seal, and everybody else through authentication."""

    def __init__(self, gate: ASGIApp, protected: ASGIApp, seal: CallerSeal) -> None:
        self._gate = gate
        self._protected = protected
        self._seal = seal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the seal where there is one."""
        sealed = next((value for name, value in scope.get("headers", ()) if name == _SEALED), None)
        if scope["type"] != "http" or sealed is None:
            await self._protected(scope, receive, send)
            return
        try:
            caller = self._seal.open(sealed.decode("latin-1"))
        except AIPlatformError as error:
            await _answer(send, error.http_status, "UNAUTHENTICATED", str(error))
            return
        await self._gate({**scope, "state": {**(scope.get("state") or {}), "caller": caller}}, receive, send)


class MlflowGate:
    """Checks the allow-list and the permission, chooses the workspace, and hands the call to MLflow.

    Calls about traces go to the platform's own store instead.
    """

    def __init__(self, application: ASGIApp, *, prefix: str, traces: MlflowTraces | None, max_otlp_bytes: int) -> None:
        self._application = application
        self._prefix = prefix
        self._traces = (
            TraceRoutes(traces, self._experiment, max_otlp_bytes=max_otlp_bytes) if traces is not None else None
        )
        self._known: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; what is not on the allow-list is 404."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path = self._inner_path(scope["path"])
        permission = permission_for(scope["method"], path)
        is_trace = is_trace_route(scope["method"], path)
        if permission is None or (is_trace and self._traces is None):
            await _answer(send, 404, "ENDPOINT_NOT_FOUND", f"{scope['method']} {path} is not offered here.")
            return
        caller = _caller(scope)
        if not caller.may(permission):
            message = f"{caller.principal} may not do this: '{permission}' is needed."
            await _answer(send, 403, "PERMISSION_DENIED", message)
            return
        if is_trace and self._traces is not None:
            await self._traces(scope, receive, send, path=path, caller=caller)
            return
        await self._application(_inner_scope(scope, path, await self._workspace(caller)), receive, send)

    async def _workspace(self, caller: Caller) -> str:
        """The caller's workspace, made where it is not there yet."""
        workspace = workspace_name(caller.scope)
        if workspace not in self._known:
            await anyio.to_thread.run_sync(_ensure_workspace, workspace)
            self._known.add(workspace)
        return workspace

    async def _experiment(self, caller: Caller, experiment_id: str) -> tuple[int, bytes]:
        """What MLflow answers when this caller asks for an experiment."""
        path = "/api/2.0/mlflow/experiments/get"
        workspace = await self._workspace(caller)
        asked: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode({"experiment_id": experiment_id}).encode(),
            "headers": [(b"host", b"localhost"), (_WORKSPACE, workspace.encode())],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 0),
        }
        return await _ask(self._application, asked)

    def _inner_path(self, path: str) -> str:
        inside = path == self._prefix or path.startswith(f"{self._prefix}/")
        return (path[len(self._prefix) :] if inside else path) or "/"


def _inner_scope(scope: Scope, path: str, workspace: str) -> Scope:
    """The scope as MLflow shall see it: at the root, in this workspace, without the caller's credentials."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _DROPPED]
    return {
        **scope,
        "path": path,
        "raw_path": quote(path, safe="/:@!$&'()*+,;=~").encode(),
        "root_path": "",
        "headers": [*headers, (_WORKSPACE, workspace.encode())],
    }


def _caller(scope: Scope) -> Caller:
    return caller_of(HTTPConnection(scope))


async def _answer(send: Send, status: int, code: str, message: str) -> None:
    """An error in MLflow's own shape, which its clients show."""
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _ask(application: ASGIApp, scope: Scope) -> tuple[int, bytes]:
    """Status and body of what an application answers to a request without a body."""
    status = 500
    chunks: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await application(scope, receive, send)
    return status, b"".join(chunks)


def _prepare(store: MlflowStore) -> None:
    """Set this process up before MLflow is imported, and make its schema on PostgreSQL."""
    os.environ.update(
        _MLFLOW_SERVER_FILE_STORE=store.database_url,
        _MLFLOW_SERVER_REGISTRY_STORE=store.database_url,
        _MLFLOW_SERVER_SERVE_ARTIFACTS="true",
        _MLFLOW_SERVER_ARTIFACT_DESTINATION=store.artifacts_url,
        _MLFLOW_SERVER_ARTIFACT_ROOT="mlflow-artifacts:/",
        MLFLOW_ENABLE_WORKSPACES="true",
        MLFLOW_WORKSPACE_STORE_URI=store.database_url,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        # Host and origin are checked by the platform's own layer in front.
        MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE="true",
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
    )
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_WORKSPACE", "MLFLOW_TRACKING_TOKEN"):
        os.environ.pop(variable, None)
    url = make_url(store.database_url)
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        engine.dispose()


def _mlflow_application() -> ASGIApp:
    with warnings.catch_warnings():
        # MLflow 3.17 reaches for a part of starlette that is on its way out; nothing here can change that.
        warnings.simplefilter("ignore")
        # Loaded here, after its environment is set: this process is MLflow's own.
        from mlflow.server.fastapi_app import app
        from mlflow.server.handlers import _get_model_registry_store, _get_tracking_store

    _get_tracking_store()
    _get_model_registry_store()
    application: ASGIApp = app
    return application


def _ensure_workspace(name: str) -> None:
    from mlflow.entities import Workspace
    from mlflow.exceptions import MlflowException
    from mlflow.server.workspace_helpers import _get_workspace_store

    store = _get_workspace_store()
    try:
        store.get_workspace(name)
    except MlflowException:
        try:
            store.create_workspace(Workspace(name=name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
