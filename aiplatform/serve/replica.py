"""What stands in a model's replica in front of the user's class: the door's signature, the trace, the wire.

Knows no Ray: `ray_app.py` wraps it as a Serve deployment, tests call it as it is.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aiplatform.core.errors import AIPlatformError
from aiplatform.serve import asgi
from aiplatform.serve.ports import Method
from aiplatform.serve.runner import ModelRunner
from aiplatform.serve.signing import verify
from aiplatform.serve.wire import encode_error, encode_value, parse_object

logger = logging.getLogger(__name__)

CALL_PATH: Final = "/call"
STREAM_PATH: Final = "/stream"
LINES_TYPE: Final = b"application/x-ndjson"
_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("aiplatform.serve")


class ModelServer:
    """One model in one process: asked through a handle (`answer`, `parts`) or over HTTP (as an ASGI application).

    Args:
        application: Name of the Serve application, which every signature binds.
        runner: The user's class, made.
        secret: The application's secret.
        attributes: What its spans say of it.
    """

    def __init__(
        self,
        application: str,
        runner: ModelRunner,
        secret: bytes,
        *,
        attributes: Mapping[str, str | int] | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._application = application
        self._runner = runner
        self._secret = secret
        self._attributes = dict(attributes or {})
        self._now_s = now_s

    async def answer(self, method: str, body: bytes, carrier: Mapping[str, str]) -> bytes:
        """The model's whole answer, or its error, as the wire's JSON.

        Args:
            method: `chat`, `embed` or `infer`.
            body: JSON of the request.
            carrier: W3C trace headers of the caller.
        """
        try:
            work = self._traced(self._runner.call(Method(method), parse_object(body)), method)
            # A task of its own has a context of its own: what the model attaches to it ends with it.
            return encode_value(await asyncio.create_task(work, context=_joined(carrier)))
        except AIPlatformError as error:
            self._log(error)
            return encode_error(error)

    async def parts(self, body: bytes, carrier: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The parts of a chat answer; an error is the last part."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

        async def pump() -> None:
            async for part in self._runner.stream(parse_object(body)):
                await queue.put(encode_value(part))

        async def run() -> None:
            try:
                await self._traced(pump(), Method.CHAT.value)
            except AIPlatformError as error:
                self._log(error)
                await queue.put(encode_error(error))
            await queue.put(None)

        task = asyncio.create_task(run(), context=_joined(carrier))
        try:
            while (part := await queue.get()) is not None:
                yield part
        finally:
            task.cancel()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer the door over HTTP; anybody else is refused."""
        if scope["type"] != "http":
            return
        try:
            body = await asgi.read_body(scope, receive)
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            _, method = verify(self._secret, self._application, headers, body, now_s=self._now_s())
        except asgi.Disconnected:
            return
        except AIPlatformError as error:
            await asgi.send_json(send, error.http_status, encode_error(error))
            return
        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        if scope["path"].endswith(STREAM_PATH):
            await self._send_lines(send, self.parts(body, carrier))
        else:
            await asgi.send_json(send, 200, await self.answer(method.value, body, carrier))

    async def _send_lines(self, send: asgi.Send, parts: AsyncIterator[bytes]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", LINES_TYPE)]})
        async for part in parts:
            await send({"type": "http.response.body", "body": part + b"\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _traced(self, work: Coroutine[Any, Any, Any], method: str) -> Any:
        name = f"{method} {self._attributes.get('aiplatform.deployment', self._application)} replica"
        with _tracer.start_as_current_span(name, attributes=self._attributes):
            return await work

    def _log(self, error: AIPlatformError) -> None:
        if error.http_status >= 500:
            logger.error("the model failed", extra={"application": self._application}, exc_info=error)


def _joined(carrier: Mapping[str, str]) -> contextvars.Context:
    """A fresh context in which the caller's span is the current one."""
    joined = contextvars.copy_context()
    joined.run(otel_context.attach, _propagator.extract(carrier))
    return joined
