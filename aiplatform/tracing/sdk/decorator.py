"""`aip.trace`: a function's every call as a span, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any, Final, ParamSpec, TypeVar, overload

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.sdk.ray_context import watch_for_ray
from aiplatform.tracing.sdk.spans import SCOPE_NAME, Span, kind_attributes, started

MAX_CHUNKS: Final = 10_000
"""Chunks of a generator that are kept for the span's output; later ones pass through uncounted."""

P = ParamSpec("P")
R = TypeVar("R")
Reducer = Callable[[Sequence[Any]], Any]


@overload
def trace(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def trace(
    *,
    kind: SpanKind | str = SpanKind.CHAIN,
    name: str | None = None,
    capture_input: bool = True,
    capture_output: bool = True,
    reduce: Reducer | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def trace(
    function: Callable[..., Any] | None = None,
    /,
    *,
    kind: SpanKind | str = SpanKind.CHAIN,
    name: str | None = None,
    capture_input: bool = True,
    capture_output: bool = True,
    reduce: Reducer | None = None,
) -> Any:
    """Trace every call of a function: sync, async, generator or async generator.

    Args:
        function: The function, where the decorator is written without arguments.
        kind: What it does: `llm`, `tool`, `agent`, `chain`, `retriever`, …
        name: The span's name; by default the function's.
        capture_input: Whether the arguments are kept.
        capture_output: Whether the result is kept.
        reduce: For generators: makes one output of all chunks; by default text is joined and the rest listed.
    """

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        call = _Call(inner, SpanKind(kind), name, capture_input, capture_output, reduce or _joined)
        if inspect.isasyncgenfunction(inner):
            return _trace_async_generator(inner, call)
        if inspect.isgeneratorfunction(inner):
            return _trace_generator(inner, call)
        if inspect.iscoroutinefunction(inner):
            return _trace_async(inner, call)
        return _trace_sync(inner, call)

    return decorate if function is None else decorate(function)


class _Call:
    """How one function is traced."""

    def __init__(
        self,
        function: Callable[..., Any],
        kind: SpanKind,
        name: str | None,
        capture_input: bool,
        capture_output: bool,
        reduce: Reducer,
    ) -> None:
        self.kind = kind
        self.name = name or getattr(function, "__qualname__", repr(function)).replace("<locals>.", "")
        self.reduce = reduce
        self._capture_output = capture_output
        self._signature = _signature(function) if capture_input else None

    def begin(self, opened: Span, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._signature is not None and opened.otel.is_recording():
            opened.set_input(_arguments(self._signature, args, kwargs))

    def end(self, opened: Span, result: Any) -> None:
        if self._capture_output and opened.otel.is_recording() and result is not None:
            opened.set_output(result)

    def open(self) -> Span:
        """A span that is not current: generators make it so only while their own code runs."""
        watch_for_ray()
        tracer = otel_trace.get_tracer(SCOPE_NAME)
        return Span(tracer.start_span(self.name, attributes=kind_attributes(self.kind)))


def _trace_sync(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        watch_for_ray()
        with started(call.name, call.kind) as opened:
            call.begin(opened, args, kwargs)
            result = function(*args, **kwargs)
            call.end(opened, result)
            return result

    return traced


def _trace_async(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        watch_for_ray()
        with started(call.name, call.kind) as opened:
            call.begin(opened, args, kwargs)
            result = await function(*args, **kwargs)
            call.end(opened, result)
            return result

    return traced


def _trace_generator(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = call.open()
        call.begin(opened, args, kwargs)
        inner = function(*args, **kwargs)
        chunks: list[Any] = []
        sent: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                # The span is current only while the generator's own code runs, never in the code that consumes it.
                token = otel_context.attach(otel_trace.set_span_in_context(opened.otel))
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
            call.end(opened, call.reduce(chunks))
            opened.otel.end()

    return traced


def _trace_async_generator(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        opened = call.open()
        call.begin(opened, args, kwargs)
        inner = function(*args, **kwargs)
        chunks: list[Any] = []
        sent: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                token = otel_context.attach(otel_trace.set_span_in_context(opened.otel))
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
            call.end(opened, call.reduce(chunks))
            opened.otel.end()

    return traced


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return {"args": list(args), "kwargs": kwargs}
    bound.pop("self", None)
    bound.pop("cls", None)
    return dict(bound)


def _joined(chunks: Sequence[Any]) -> Any:
    if chunks and all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    return list(chunks) or None
