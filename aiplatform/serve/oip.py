"""The door that speaks the Open Inference Protocol, version 2, over HTTP: what KServe's and Triton's clients send.

Raw ASGI: the gateway mounts it under `/v2` behind the authentication layer. Tensors pass as they are and are checked
in the replica, so that a large body is read once.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from aiplatform.core.errors import AIPlatformError, InvalidError, NotFoundError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.serve import asgi
from aiplatform.serve.directory import Directory, unknown_model
from aiplatform.serve.doorspan import OpenSpan
from aiplatform.serve.model import Deployment, Protocol
from aiplatform.serve.ports import Method, ModelCall, ModelHost, SpanSink
from aiplatform.serve.tracecontext import enter
from aiplatform.serve.wire import decode
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import enforce

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 600.0
BINARY_HEADER: Final = b"inference-header-content-length"
_MODEL: Final = re.compile(r"models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>ready|infer))?")

Handler = Callable[["_Request"], Awaitable[None]]


class _Request:
    """One request: what it names, who asks."""

    def __init__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, named: re.Match[str] | None) -> None:
        state = scope.get("state") or {}
        self.scope, self.receive, self.send = scope, receive, send
        self.caller: Caller | None = state.get("caller")
        self.request_id: str = state.get("request_id") or new_id("req")
        self.name = named["name"] if named else ""
        self.version = named["version"] if named else None
        self.headers: list[tuple[bytes, bytes]] = []
        self.span: OpenSpan | None = None


class InferenceDoor:
    """`/v2`, `/v2/health/live|ready`, `/v2/models/{name}[/versions/{version}][/ready|/infer]`.

    Args:
        directory: The deployments that can be asked.
        host: Where they run.
        sink: Where spans go; None makes none.
        call_timeout_s: Longest that a model may take.
    """

    def __init__(
        self,
        directory: Directory,
        host: ModelHost,
        *,
        sink: SpanSink | None = None,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._directory = directory
        self._host = host
        self._sink = sink
        self._call_timeout_s = call_timeout_s

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/v2").strip("/")
        request = _Request(scope, receive, send, _MODEL.fullmatch(path))
        try:
            permission, handle = self._route(scope["method"], path)
            enforce(scope, permission)
            await handle(request)
        except asgi.Disconnected:
            if request.span is not None:
                request.span.finish(status=499)
        except AIPlatformError as error:
            await _fail(request, error)
        except Exception:
            logger.exception("the door failed")
            await _fail(request, RemoteError(N_("The door failed; its log says why."), reason="internal"))

    def _route(self, method: str, path: str) -> tuple[Permission, Handler]:
        if method == "GET" and path == "":
            return Permission.PUBLIC, _server
        if method == "GET" and path in {"health/live", "health/ready"}:
            return Permission.PUBLIC, _live if path.endswith("live") else _ready
        named = _MODEL.fullmatch(path)
        if named is not None and named["verb"] == "infer" and method == "POST":
            return Permission.INFERENCE_CALL, self._infer
        if named is not None and method == "GET" and named["verb"] != "infer":
            return Permission.DEPLOYMENTS_READ, self._model_ready if named["verb"] else self._model
        raise NotFoundError(
            N_("Nothing answers {method} /v2/{path}."),
            hint=N_("See the Open Inference Protocol, version 2."),
            reason="unknown_url",
            method=method,
            path=path,
        )

    async def _model(self, request: _Request) -> None:
        found = await self._known(request)
        said = {
            "name": found.name,
            "versions": [str(found.current.number)],
            "platform": "aiplatform",
            "inputs": [],
            "outputs": [],
        }
        await asgi.send_json(request.send, 200, orjson.dumps(said))

    async def _model_ready(self, request: _Request) -> None:
        found = await self._known(request)
        is_ready = found.state.ready_replicas > 0
        said = {"name": found.name, "ready": is_ready}
        await asgi.send_json(request.send, 200 if is_ready else 503, orjson.dumps(said))

    async def _infer(self, request: _Request) -> None:
        caller = _caller(request)
        if asgi.header(request.scope, BINARY_HEADER) is not None:
            raise InvalidError(
                N_("Binary tensors are not read here."),
                hint=N_("Send the tensors' data as JSON (in Triton's client: binary_data=False)."),
                reason="infer.binary",
            )
        body = await asgi.read_body(request.scope, request.receive)
        span = self._open_span(request, caller)
        found = await self._known(request)
        await self._directory.find(caller.scope, found.name)
        if found.spec.protocol is not Protocol.INFER:
            raise InvalidError(
                N_("The model {name!r} speaks OpenAI's protocol, not this one."),
                hint=N_("POST /v1/chat/completions asks it."),
                reason="model.protocol",
                name=found.name,
            )
        call = ModelCall(
            application=found.application,
            scope=caller.scope,
            principal=caller.principal,
            method=Method.INFER,
            request_id=request.request_id,
            body=body,
            traceparent=span.context.traceparent,
            tracestate=span.context.tracestate or None,
        )
        result = await self._answer(call)
        outputs: list[dict[str, Any]] = result["outputs"]
        said = {"model_name": found.name, "model_version": str(found.current.number), "id": result.get("id")}
        said = {key: value for key, value in said.items() if value is not None}
        shapes = [f"{one['name']} {one['datatype']} {one['shape']}" for one in outputs]
        span.note({"aiplatform.deployment.revision": found.current.number, "aiplatform.infer.outputs": shapes})
        await asgi.send_json(request.send, 200, orjson.dumps({**said, "outputs": outputs}), request.headers)
        span.finish(status=200)

    async def _answer(self, call: ModelCall) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._call_timeout_s):
                return decode(await self._host.call(call))
        except TimeoutError:
            raise TransientError(
                N_("The model did not answer within {seconds:g} seconds."),
                hint=N_("Its trace shows how far it came."),
                reason="model.timeout",
                seconds=self._call_timeout_s,
            ) from None

    async def _known(self, request: _Request) -> Deployment:
        found = (await self._directory.all(_caller(request).scope)).get(request.name)
        if found is None:
            raise unknown_model(request.name)
        if request.version is not None and request.version != str(found.current.number):
            raise NotFoundError(
                N_("The model {name!r} runs version {running}, not {version!r}."),
                hint=N_("Leave the version out to ask the one that runs."),
                reason="model.version",
                name=found.name,
                running=found.current.number,
                version=request.version,
            )
        return found

    def _open_span(self, request: _Request, caller: Caller) -> OpenSpan:
        context = enter(asgi.header(request.scope, b"traceparent"), asgi.header(request.scope, b"tracestate"))
        span = OpenSpan(self._sink, caller.scope, context, name=f"infer {request.name}")
        span.note(
            {
                "gen_ai.request.model": request.name,
                "aiplatform.deployment": request.name,
                "aiplatform.request_id": request.request_id,
                "aiplatform.principal": caller.principal,
            }
        )
        request.span = span
        request.headers = [(b"x-trace-id", context.trace_id.encode())]
        return span


def _caller(request: _Request) -> Caller:
    assert request.caller is not None, "enforce() let nobody through without a caller"  # noqa: S101 - an invariant
    return request.caller


async def _server(request: _Request) -> None:
    version = importlib.metadata.version("aiplatform")
    said = {"name": "aiplatform", "version": version, "extensions": []}
    await asgi.send_json(request.send, 200, orjson.dumps(said))


async def _live(request: _Request) -> None:
    await asgi.send_json(request.send, 200, b'{"live":true}')


async def _ready(request: _Request) -> None:
    await asgi.send_json(request.send, 200, b'{"ready":true}')


async def _fail(request: _Request, error: AIPlatformError) -> None:
    """The protocol's error object: one text. Ours carries hint and request id beside it."""
    locale = asgi.locale_of(request.scope)
    if request.span is not None:
        request.span.finish(status=error.http_status, error=error)
    said = {
        "error": error.localized(locale),
        "code": error.full_code,
        "hint": error.localized_hint(locale),
        "request_id": request.request_id,
    }
    headers = [*request.headers, *asgi.retry_headers(error)]
    await asgi.send_json(request.send, error.http_status, orjson.dumps(said), headers)
