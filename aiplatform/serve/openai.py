"""The door that speaks OpenAI's protocol: chat completions with streaming, embeddings, and the list of models.

Raw ASGI: the gateway mounts it under `/v1` behind the authentication layer. Every chat and embedding makes one span.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import orjson

from aiplatform.core.errors import AIPlatformError, InvalidError, NotFoundError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.serve import asgi, genai
from aiplatform.serve.chat import Chunks, checked_chat, checked_embeddings, completion_from, embeddings_from
from aiplatform.serve.directory import Directory, unknown_model
from aiplatform.serve.doorspan import OpenSpan
from aiplatform.serve.model import Deployment, Protocol
from aiplatform.serve.policy import NANOSECONDS
from aiplatform.serve.ports import Method, ModelCall, ModelHost, SpanSink
from aiplatform.serve.tracecontext import enter
from aiplatform.serve.wire import decode, parse_object
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import enforce

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 600.0
TRACE_HEADER: Final = b"x-trace-id"
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

Handler = Callable[["Request"], Awaitable[None]]


class Request:
    """One request at the door: who asks, what, and the span that tells of it."""

    def __init__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, tail: str) -> None:
        state = scope.get("state") or {}
        self.scope, self.receive, self.tail = scope, receive, tail
        self.caller: Caller = state["caller"]
        self.place = self.caller.scope
        self.request_id: str = state.get("request_id") or new_id("req")
        self.span: OpenSpan | None = None
        self.is_answered = False
        """Whether a status was sent: from then on errors are events."""

        self._send = send

    async def send(self, message: asgi.Message) -> None:
        """Send, and remember that the answer has begun."""
        self.is_answered = True
        await self._send(message)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer says of its trace."""
        return [] if self.span is None else [(TRACE_HEADER, self.span.context.trace_id.encode())]


class OpenAIDoor:
    """`/v1/chat/completions`, `/v1/embeddings`, `/v1/models` and `/v1/models/{name}`.

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
        self._routes: dict[tuple[str, str], tuple[Permission, Handler]] = {
            ("POST", "chat/completions"): (Permission.INFERENCE_CALL, self._chat),
            ("POST", "embeddings"): (Permission.INFERENCE_CALL, self._embeddings),
            ("GET", "models"): (Permission.DEPLOYMENTS_READ, self._models),
            ("GET", "models/"): (Permission.DEPLOYMENTS_READ, self._model),
        }

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/v1").strip("/")
        key = "models/" if path.startswith("models/") else path
        request: Request | None = None
        try:
            permission, handle = self._route(scope["method"], key, path)
            enforce(scope, permission)
            request = Request(scope, receive, send, path.removeprefix("models/"))
            await handle(request)
        except asgi.Disconnected:
            logger.info("the client left", extra={"path": path})
            if request is not None and request.span is not None:
                request.span.finish(status=499, error=None)
        except AIPlatformError as error:
            await self._fail(scope, send, request, error)
        except Exception:
            logger.exception("the door failed")
            failure = RemoteError(N_("The door failed; its log says why."), reason="internal")
            await self._fail(scope, send, request, failure)

    def _route(self, method: str, key: str, path: str) -> tuple[Permission, Handler]:
        found = self._routes.get((method, key))
        if found is None:
            raise NotFoundError(
                N_("Nothing answers {method} /v1/{path}."),
                hint=N_("Chat completions, embeddings and models are here."),
                reason="unknown_url",
                method=method,
                path=path,
            )
        return found

    async def _chat(self, request: Request) -> None:
        raw = await asgi.read_body(request.scope, request.receive)
        body = checked_chat(parse_object(raw))
        span = self._open_span(request, "chat", body)
        call = self._call(request, span, await self._deployment(request, span, body["model"]), Method.CHAT, raw)
        frame = {
            "completion_id": f"chatcmpl-{request.request_id}",
            "model": body["model"],
            "created_s": int(time.time()),
        }
        if body.get("stream"):
            chunks = Chunks(**frame, include_usage=bool((body.get("stream_options") or {}).get("include_usage")))
            await asgi.until_disconnected(request.receive, self._stream(request, span, call, chunks))
            return
        completion = completion_from(await self._answer(call), **frame)
        if span.is_recorded:
            span.note(genai.answer_attributes(completion))
        await asgi.send_json(request.send, 200, orjson.dumps(completion), request.headers)
        span.finish(status=200)

    async def _stream(self, request: Request, span: OpenSpan, call: ModelCall, chunks: Chunks) -> None:
        parts = self._host.stream(call)
        try:
            async with asyncio.timeout(self._call_timeout_s):
                first = await anext(parts, None)
                span.note({"gen_ai.response.time_to_first_chunk": span.elapsed_s})
                # Decoded before the status is sent, so that a model that fails at once fails with its own status.
                begin = [] if first is None else chunks.take(decode(first))
                await asgi.send_events(request.send, self._events(begin, parts, chunks), request.headers)
        except TimeoutError:
            raise _too_slow(call, self._call_timeout_s) from None
        finally:
            if span.is_recorded:
                span.note(genai.answer_attributes(chunks.completion()))
            await _close(parts)
        span.finish(status=200)

    @staticmethod
    async def _events(begin: list[dict[str, Any]], parts: AsyncIterator[bytes], chunks: Chunks) -> AsyncIterator[bytes]:
        for chunk in begin:
            yield orjson.dumps(chunk)
        async for part in parts:
            for chunk in chunks.take(decode(part)):
                yield orjson.dumps(chunk)
        for chunk in chunks.close():
            yield orjson.dumps(chunk)
        yield b"[DONE]"

    async def _embeddings(self, request: Request) -> None:
        raw = await asgi.read_body(request.scope, request.receive)
        body = checked_embeddings(parse_object(raw))
        span = self._open_span(request, "embeddings", body)
        call = self._call(request, span, await self._deployment(request, span, body["model"]), Method.EMBED, raw)
        result = await self._answer(call)
        answer = embeddings_from(result, model=body["model"], is_base64=body.get("encoding_format") == "base64")
        if result["embeddings"]:
            span.note({"gen_ai.embeddings.dimension.count": len(result["embeddings"][0])})
        await asgi.send_json(request.send, 200, orjson.dumps(answer), request.headers)
        span.finish(status=200)

    async def _models(self, request: Request) -> None:
        deployments = await self._directory.all(request.place)
        data = [_model_entry(deployments[name]) for name in sorted(deployments)]
        await asgi.send_json(request.send, 200, orjson.dumps({"object": "list", "data": data}))

    async def _model(self, request: Request) -> None:
        found = (await self._directory.all(request.place)).get(request.tail)
        if found is None:
            raise unknown_model(request.tail)
        await asgi.send_json(request.send, 200, orjson.dumps(_model_entry(found)))

    def _open_span(self, request: Request, operation: str, body: Mapping[str, Any]) -> OpenSpan:
        context = enter(asgi.header(request.scope, b"traceparent"), asgi.header(request.scope, b"tracestate"))
        span = OpenSpan(self._sink, request.place, context, name=f"{operation} {body['model']}")
        request.span = span
        if span.is_recorded:
            span.note(genai.request_attributes(operation, body))
            span.note({"aiplatform.request_id": request.request_id, "aiplatform.principal": request.caller.principal})
        return span

    async def _deployment(self, request: Request, span: OpenSpan, model: str) -> Deployment:
        deployment = await self._directory.find(request.place, model)
        if deployment.spec.protocol is not Protocol.CHAT:
            raise InvalidError(
                N_("The model {name!r} speaks the Open Inference Protocol, not this one."),
                hint=N_("POST /v2/models/{name}/infer asks it."),
                reason="model.protocol",
                name=model,
            )
        span.note(
            {"aiplatform.deployment": deployment.name, "aiplatform.deployment.revision": deployment.current.number}
        )
        return deployment

    @staticmethod
    def _call(request: Request, span: OpenSpan, deployment: Deployment, method: Method, raw: bytes) -> ModelCall:
        context = span.context
        return ModelCall(
            application=deployment.application,
            scope=request.place,
            principal=request.caller.principal,
            method=method,
            request_id=request.request_id,
            body=raw,
            traceparent=context.traceparent,
            tracestate=context.tracestate or None,
        )

    async def _answer(self, call: ModelCall) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._call_timeout_s):
                return decode(await self._host.call(call))
        except TimeoutError:
            raise _too_slow(call, self._call_timeout_s) from None

    async def _fail(self, scope: asgi.Scope, send: asgi.Send, request: Request | None, error: AIPlatformError) -> None:
        request_id = request.request_id if request is not None else (scope.get("state") or {}).get("request_id")
        body = self._error_body(scope, request_id, error)
        if request is not None and request.span is not None:
            request.span.finish(status=200 if request.is_answered else error.http_status, error=error)
        if request is not None and request.is_answered:
            # The status is out already: OpenAI's clients raise on an event that holds an error.
            await send({"type": "http.response.body", "body": b"data: " + body + b"\n\n", "more_body": False})
            return
        headers = [*(request.headers if request is not None else ()), *asgi.retry_headers(error)]
        await asgi.send_json(send, error.http_status, body, headers)

    @staticmethod
    def _error_body(scope: asgi.Scope, request_id: str | None, error: AIPlatformError) -> bytes:
        locale = asgi.locale_of(scope)
        default = "server_error" if error.http_status >= 500 else "invalid_request_error"
        said = {
            "message": error.localized(locale),
            "type": _TYPES.get(error.http_status, default),
            "param": error.fields.get("field") if error.full_code == "request.field" else None,
            "code": error.full_code,
            "hint": error.localized_hint(locale),
            "request_id": request_id,
        }
        return orjson.dumps({"error": said})


def _model_entry(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.name,
        "object": "model",
        "created": deployment.created_ns // NANOSECONDS,
        "owned_by": deployment.project_id,
        "status": deployment.state.status.value,
        "protocol": deployment.spec.protocol.value,
    }


def _too_slow(call: ModelCall, timeout_s: float) -> TransientError:
    return TransientError(
        N_("The model did not answer within {seconds:g} seconds."),
        hint=N_("Its trace shows how far it came."),
        reason="model.timeout",
        seconds=timeout_s,
        request=call.request_id,
    )


async def _close(parts: AsyncIterator[bytes]) -> None:
    close = getattr(parts, "aclose", None)
    if close is not None:
        await close()
