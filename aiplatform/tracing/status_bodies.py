"""Errors of whatever stands in front of OTLP's paths, as OTLP wants them.

The layers before the endpoint (authentication, the Host check) answer in the platform's own JSON. An OTLP client
expects `google.rpc.Status` in the encoding of its request from them too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from aiplatform.core.errors import error_for_status
from aiplatform.tracing.endpoint import Receive, Send
from aiplatform.tracing.otlp import GRPC_CODES, JSON, PROTOBUF, encoded
from aiplatform.tracing.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LANGFUSE_PREFIX: Final = "/api/public/otel"
"""Below it Langfuse's own clients send OTLP."""

OTLP_PATHS: Final = frozenset(prefix + signal.path for signal in SIGNALS for prefix in ("", LANGFUSE_PREFIX))


class StatusBodies:
    """Wraps an ASGI application; what is at no path of OTLP passes untouched."""

    def __init__(self, app: Callable[[Any, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http" or scope["path"].rstrip("/") not in OTLP_PATHS:
            await self._app(scope, receive, send)
            return
        sent_type = dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip().lower()
        await self._app(scope, receive, _Answer(send, JSON if sent_type == JSON.encode() else PROTOBUF))


class _Answer:
    """Passes answers on, and rewrites the body of the platform's own errors."""

    def __init__(self, send: Send, media_type: str) -> None:
        self._send = send
        self._media_type = media_type
        self._held: dict[str, Any] | None = None
        self._body = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400 and _is_json(message):
            # Held back until the body tells whose it is.
            self._held = message
            return
        if self._held is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = self._rewritten(self._held["status"])
        replaced = {b"content-type": self._media_type.encode(), b"content-length": str(len(body)).encode()}
        kept = [(name, value) for name, value in self._held["headers"] if name not in replaced]
        await self._send({**self._held, "headers": [*kept, *replaced.items()]})
        await self._send({"type": "http.response.body", "body": body})

    def _rewritten(self, status: int) -> bytes:
        try:
            error = json.loads(self._body)["error"]
            message = " ".join(text for text in (error["message"], error.get("hint")) if text)
        except (ValueError, KeyError, TypeError):
            return self._body  # a status that the endpoint wrote itself
        code = GRPC_CODES.get(error_for_status(status).grpc_status, 2)
        return encoded(Status(code=code, message=message), self._media_type)


def _is_json(message: Any) -> bool:
    sent: bytes = dict(message.get("headers", ())).get(b"content-type", b"")
    return sent.startswith(JSON.encode())
