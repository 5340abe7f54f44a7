"""The little of HTTP that the model doors need, straight on ASGI: large bodies and streams pass without a framework."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from aiplatform.core.errors import AIPlatformError, TooLargeError
from aiplatform.core.i18n import N_, negotiate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Disconnected(Exception):  # noqa: N818 - no error: the client left
    """The client left before the answer was complete."""


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header (`name` in lower case); None where it is not sent."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def locale_of(scope: Scope) -> str:
    """The language of the answer."""
    known = (scope.get("state") or {}).get("locale")
    return known or negotiate(header(scope, b"accept-language"))


async def read_body(scope: Scope, receive: Receive, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: It is larger than `limit_bytes`; the rest is not read.
        Disconnected: The client left before it was complete.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Answer with JSON that is encoded already."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def send_events(send: Send, events: AsyncIterator[bytes], headers: Headers = ()) -> None:
    """Answer with server-sent events; each item is one event's `data`."""
    await send({"type": "http.response.start", "status": 200, "headers": [*_EVENTS, *headers]})
    async for event in events:
        await send({"type": "http.response.body", "body": b"data: " + event + b"\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def until_disconnected(receive: Receive, work: Awaitable[None]) -> None:
    """Do `work` for as long as the client stays.

    Raises:
        Disconnected: The client left; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_disconnection(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Disconnected
        await task
    finally:
        for pending in (task, watch):
            if not pending.done():
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await pending


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def retry_headers(error: AIPlatformError) -> list[tuple[bytes, bytes]]:
    """`Retry-After`, where the error says when to come back."""
    if error.retry_after_s is None:
        return []
    return [(b"retry-after", str(max(1, round(error.retry_after_s))).encode())]


def _too_large(limit_bytes: int) -> TooLargeError:
    return TooLargeError(
        N_("A request to a model may hold {limit} MiB at most."),
        hint=N_("Send fewer or smaller inputs."),
        reason="request.too_large",
        limit=limit_bytes // (1024 * 1024),
    )
