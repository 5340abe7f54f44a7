"""OTLP over HTTP as a plain ASGI application: protobuf and JSON, acknowledged after the commit.

Every answer has the encoding of the request, errors included (`google.rpc.Status`), and only states that pass are
answered with a status that exporters try again on: they drop a batch whose `Retry-After` is longer than their patience,
so it is 1 to 3 seconds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import AIPlatformError, InvalidError, UnauthenticatedError, UnsupportedError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.credentials import PROJECT_HEADER
from aiplatform.tracing.entry import MAX_BODY_BYTES, SignalEntry, too_large
from aiplatform.tracing.otlp import JSON, PROTOBUF, encoded, failure
from aiplatform.tracing.projects import FOREIGN_HEADERS

if TYPE_CHECKING:
    from aiplatform.tenancy.model import Caller

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PIECE_BYTES: Final = 2**20
_LONGEST_LENGTH: Final = 18
"""Digits of a content length that is worth reading as a number."""

_PROJECT_HEADERS: Final = (PROJECT_HEADER, *FOREIGN_HEADERS)
_MEDIA_TYPES: Final = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class OtlpEndpoint:
    """The ASGI application. It expects the authentication layer in front: the caller stands in the scope's state.

    Args:
        entry: What takes the requests of one signal.
        max_body_bytes: Bound of a request, before and after decompression.
    """

    def __init__(self, entry: SignalEntry, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._entry = entry
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        media_type = PROTOBUF
        try:
            if scope["method"] != "POST":
                await _reply(send, 405, failure(_wrong_method(), media_type), media_type, {b"allow": b"POST"})
                return
            media_type = _media_type(headers)
            caller = _caller(scope)
            body = await self._body_of(caller, headers, receive)
            response = await self._entry.take(body, media_type, caller, _project_headers(headers))
        except AIPlatformError as error:
            await _reply_error(send, error, media_type)
        else:
            await _reply(send, 200, encoded(response, media_type), media_type)

    async def _body_of(self, caller: Caller, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        try:
            caller.require(self._entry.signal.permission)
            return await self._body(headers, receive)
        except AIPlatformError as error:
            self._entry.refused(caller, error)
            raise

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The request's body, decompressed as it arrives: what is too large is refused before it is held."""
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > _LONGEST_LENGTH or int(declared) > self._max_body_bytes):
            raise too_large(self._max_body_bytes)
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        inflate = _Inflation(encoding)
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidError(N_("The request ended before its body was complete."), reason="tracing.cut_off")
            more = message.get("more_body", False)
            for piece in inflate.feed(message.get("body", b""), is_last=not more):
                size += len(piece)
                if size > self._max_body_bytes:
                    raise too_large(self._max_body_bytes)
                chunks.append(piece)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Inflation:
    """Decompresses piece by piece: a body that swells is refused before it is held."""

    def __init__(self, encoding: str) -> None:
        if encoding not in {"", "identity", *_WINDOW_BITS}:
            raise UnsupportedError(
                N_("The content encoding {encoding!r} is not read here."),
                hint=N_("Use gzip, deflate or none."),
                reason="tracing.encoding",
                encoding=encoding,
            )
        self._window_bits = _WINDOW_BITS.get(encoding, 0)
        self._member = zlib.decompressobj(self._window_bits) if encoding in _WINDOW_BITS else None
        self._is_empty = True

    def feed(self, data: bytes, *, is_last: bool) -> Iterator[bytes]:
        """The plain bytes that some more compressed ones give."""
        if self._member is None:
            yield data
            return
        while data:
            self._is_empty = False
            if self._member.eof:
                # A gzip stream may have several members, one after the other: all of them are the body.
                self._member = zlib.decompressobj(self._window_bits)
            try:
                piece: bytes = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise _broken(str(error)) from None
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece
        if is_last and not self._is_empty and not self._member.eof:
            raise _broken("the stream ends too early")


def _broken(problem: str) -> InvalidError:
    return InvalidError(
        N_("The body cannot be decompressed: {problem}."), reason="tracing.compression", problem=problem
    )


def _media_type(headers: dict[bytes, bytes]) -> str:
    sent = headers.get(b"content-type", b"").decode("latin-1")
    known = _MEDIA_TYPES.get(sent.partition(";")[0].strip().lower())
    if known is None:
        raise UnsupportedError(
            N_("The media type {sent!r} is not read here."),
            hint=N_("Send application/x-protobuf or application/json."),
            reason="tracing.media_type",
            sent=sent,
        )
    return known


def _project_headers(headers: dict[bytes, bytes]) -> dict[str, str]:
    return {name: headers[name.encode()].decode("latin-1") for name in _PROJECT_HEADERS if name.encode() in headers}


def _caller(scope: Any) -> Caller:
    caller: Caller | None = (scope.get("state") or {}).get("caller")
    if caller is None:
        raise UnauthenticatedError(
            N_("This needs an API key."),
            hint=N_("Send it as `Authorization: Bearer <key>`."),
            reason="auth.missing",
        )
    return caller


def _wrong_method() -> InvalidError:
    return InvalidError(N_("Telemetry is sent with POST."), reason="tracing.method")


async def _reply_error(send: Send, error: AIPlatformError, media_type: str) -> None:
    more: dict[bytes, bytes] = {}
    if error.retryable:
        seconds = min(max(math.ceil(error.retry_after_s or 1.0), 1), 3)
        more[b"retry-after"] = str(seconds).encode()
    if error.http_status == 401:
        more[b"www-authenticate"] = b"Bearer"
    await _reply(send, error.http_status, failure(error, media_type), media_type, more)


async def _reply(send: Send, status: int, body: bytes, media_type: str, more: dict[bytes, bytes] | None = None) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    headers.extend((more or {}).items())
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
