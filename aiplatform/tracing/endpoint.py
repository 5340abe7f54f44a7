"""`POST /v1/traces` as a plain ASGI application: OTLP over HTTP, protobuf and JSON, acknowledged after the commit.

Every answer has the encoding of the request, errors included (`google.rpc.Status`), and only states that pass are
answered with a status that exporters try again on: they drop a batch whose `Retry-After` is longer than their patience,
so it is 1 to 3 seconds.
"""

from __future__ import annotations

import asyncio
import logging
import math
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import (
    AIPlatformError,
    InvalidError,
    TooLargeError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import IngestResult
from aiplatform.tracing.otlp import JSON, PROTOBUF, Export, ProjectChooser, answer, decode, exports_of, failure

if TYPE_CHECKING:
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.service import Traces

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

MAX_BODY_BYTES: Final = 64 * 2**20
DECODE_ON_LOOP_BYTES: Final = 128 * 2**10
"""Requests above are decoded on a thread, so that a large one does not hold up the small ones."""

PIECE_BYTES: Final = 2**20

COMMIT_TIMEOUT_S: Final = 8.0
"""Exporters give up after 10 s; a request that waits longer is told to come again, and a repeat changes nothing."""

_MEDIA_TYPES: Final = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 47}

logger = logging.getLogger(__name__)


class TracesEndpoint:
    """The ASGI application. It expects the authentication layer in front: the caller stands in the scope's state.

    Args:
        traces: The service that stores spans.
        max_body_bytes: Bound of a request, before and after decompression.
        projects_of: Gives, for a caller, the function that maps a project which a resource asks for to the project its
            spans go to; without it resources choose nothing.
    """

    def __init__(
        self,
        traces: Traces,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        projects_of: Callable[[Caller], ProjectChooser] | None = None,
    ) -> None:
        self._traces = traces
        self._max_body_bytes = max_body_bytes
        self._projects_of = projects_of

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
            caller.require(Permission.TRACES_WRITE)
            body = await self._body(headers, receive)
            exports = await self._exports(body, media_type, caller)
            result = await self._stored(exports)
        except AIPlatformError as error:
            await _reply_error(send, error, media_type)
        else:
            await _reply(send, 200, answer(result, media_type), media_type)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The request's body, decompressed as it arrives: what is too large is refused before it is held."""
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
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
                    raise self._too_large()
                chunks.append(piece)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _exports(self, body: bytes, media_type: str, caller: Caller) -> list[Export]:
        redaction = self._traces.redaction

        def read() -> list[Export]:
            choose = self._projects_of(caller) if self._projects_of is not None else None
            return exports_of(
                decode(body, media_type),
                caller.scope,
                now_ns=self._traces.clock.now_ns(),
                choose_project=choose,
                redactor_of=redaction.of,
            )

        is_quick = len(body) <= DECODE_ON_LOOP_BYTES and self._projects_of is None
        if is_quick and not redaction.is_stale and redaction.of(caller.scope) is None:
            return read()
        return await asyncio.to_thread(read)

    async def _stored(self, exports: list[Export]) -> IngestResult:
        waiting = [asyncio.wrap_future(self._traces.incoming.submit(export)) for export in exports]
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                results = [await future for future in waiting]
        except TimeoutError:
            raise TransientError(
                N_("The database takes longer than {seconds:g} s to store spans."),
                hint=N_("Send the request again; what was stored meanwhile is not stored twice."),
                reason="tracing.slow",
                retry_after_s=1.0,
                seconds=COMMIT_TIMEOUT_S,
            ) from None
        finally:
            for future in waiting:
                future.cancel()
        problem = next((result.problem for result in results if result.problem), None)
        return IngestResult(
            accepted=sum(result.accepted for result in results),
            rejected=sum(result.rejected for result in results),
            problem=problem,
        )

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            N_("A request may hold at most {limit} bytes, decompressed."),
            hint=N_("Let the exporter send smaller batches."),
            reason="tracing.too_large",
            limit=self._max_body_bytes,
        )


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
        self._decompress = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None
        self._is_empty = True

    def feed(self, data: bytes, *, is_last: bool) -> Iterator[bytes]:
        """The plain bytes that some more compressed ones give."""
        if self._decompress is None:
            yield data
            return
        if data:
            yield from self._inflated(self._decompress, data)
        if is_last and not self._is_empty and not self._decompress.eof:
            raise _broken("the stream ends too early")

    def _inflated(self, decompress: Any, data: bytes) -> Iterator[bytes]:
        self._is_empty = False
        while data and not decompress.eof:
            try:
                piece: bytes = decompress.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise _broken(str(error)) from None
            data = decompress.unconsumed_tail
            if piece:
                yield piece


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
    return InvalidError(N_("Traces are sent with POST."), reason="tracing.method")


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
