"""Streams that are one span from their first chunk to their last."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from aiplatform.tracing.sdk.spans import Span

MAX_CHUNKS: Final = 10_000
"""Chunks of a stream that are kept for the span's output; later ones pass through uncounted."""

Close = Callable[[Span, list[Any]], None]
"""Ends the span of a stream, given its chunks."""


def driven(
    open_: Callable[..., Span], function: Callable[..., Generator[Any, Any, Any]], close: Close
) -> Callable[..., Generator[Any, Any, Any]]:
    """A generator function like `function` whose every run is a span.

    The span is current only while the generator's own code runs, never in the code that consumes it.
    """

    def traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = open_(args, kwargs)
        here = otel_trace.set_span_in_context(opened.otel)
        chunks: list[Any] = []
        sent: Any = None
        thrown: BaseException | None = None
        try:
            inner = function(*args, **kwargs)
            while True:
                token = otel_context.attach(here)
                try:
                    chunk = inner.send(sent) if thrown is None else inner.throw(thrown)
                except StopIteration as stop:
                    return stop.value
                finally:
                    otel_context.detach(token)
                if len(chunks) < MAX_CHUNKS:
                    chunks.append(chunk)
                sent, thrown = None, None
                try:
                    sent = yield chunk
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - goes on into the generator, whose business it is
                    thrown = error
        except GeneratorExit:
            raise
        except BaseException as error:
            opened.set_error(error)
            raise
        finally:
            close(opened, chunks)

    return traced


def driven_async(
    open_: Callable[..., Span], function: Callable[..., AsyncGenerator[Any, Any]], close: Close
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """The same for an async generator function."""

    async def traced(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        opened = open_(args, kwargs)
        here = otel_trace.set_span_in_context(opened.otel)
        chunks: list[Any] = []
        sent: Any = None
        thrown: BaseException | None = None
        try:
            inner = function(*args, **kwargs)
            while True:
                token = otel_context.attach(here)
                try:
                    chunk = await (inner.asend(sent) if thrown is None else inner.athrow(thrown))
                except StopAsyncIteration:
                    return
                finally:
                    otel_context.detach(token)
                if len(chunks) < MAX_CHUNKS:
                    chunks.append(chunk)
                sent, thrown = None, None
                try:
                    sent = yield chunk
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - goes on into the generator, whose business it is
                    thrown = error
        except GeneratorExit:
            raise
        except BaseException as error:
            opened.set_error(error)
            raise
        finally:
            close(opened, chunks)

    return traced


class _Stream:
    """Stands for a client's stream object: everything but the iteration is the object's own."""

    def __init__(self, stream: Any, opened: Span, close: Close) -> None:
        self._stream = stream
        self._opened = opened
        self._close_span = close
        self._here = otel_trace.set_span_in_context(opened.otel)
        self._chunks: list[Any] = []
        self._has_ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _keep(self, chunk: Any) -> Any:
        if len(self._chunks) < MAX_CHUNKS:
            self._chunks.append(chunk)
        return chunk

    def _end(self, error: BaseException | None = None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        if error is not None:
            self._opened.set_error(error)
        self._close_span(self._opened, self._chunks)

    def __del__(self) -> None:
        # A stream that nobody reads to its end: its span ends when it is thrown away.
        if not self.__dict__.get("_has_ended", True):
            self._end()


class TracedStream(_Stream):
    """An iterator of somebody else's, such as the OpenAI client's `Stream`."""

    def __iter__(self) -> TracedStream:
        return self

    def __next__(self) -> Any:
        token = otel_context.attach(self._here)
        try:
            return self._keep(next(self._stream))
        except StopIteration:
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        finally:
            otel_context.detach(token)

    def __enter__(self) -> TracedStream:
        if hasattr(self._stream, "__enter__"):
            self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._end(error[1])
        return self._stream.__exit__(*error) if hasattr(self._stream, "__exit__") else None

    def close(self) -> None:
        """End the stream and its span."""
        self._end()
        if hasattr(self._stream, "close"):
            self._stream.close()


class TracedAsyncStream(_Stream):
    """An async iterator of somebody else's."""

    def __aiter__(self) -> TracedAsyncStream:
        return self

    async def __anext__(self) -> Any:
        token = otel_context.attach(self._here)
        try:
            return self._keep(await self._stream.__anext__())
        except StopAsyncIteration:
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        finally:
            otel_context.detach(token)

    async def __aenter__(self) -> TracedAsyncStream:
        if hasattr(self._stream, "__aenter__"):
            await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._end(error[1])
        return await self._stream.__aexit__(*error) if hasattr(self._stream, "__aexit__") else None

    async def close(self) -> None:
        """End the stream and its span."""
        self._end()
        if hasattr(self._stream, "close"):
            await self._stream.close()
