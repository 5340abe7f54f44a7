"""`aip.trace`: a function's every call as a span, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, ParamSpec, TypeVar, overload

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.sdk.provider import tracer
from aiplatform.tracing.sdk.reducers import Reduced, Reducer, joined
from aiplatform.tracing.sdk.sampling import checked_ratio
from aiplatform.tracing.sdk.spans import Span, begun
from aiplatform.tracing.sdk.streams import TracedAsyncStream, TracedStream, driven, driven_async

P = ParamSpec("P")
R = TypeVar("R")

Capture = bool | Collection[str]
"""All arguments, none, or those of these names."""

_SIMPLE: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@overload
def trace(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def trace(
    *,
    kind: SpanKind | str = SpanKind.CHAIN,
    name: str | None = None,
    capture_input: Capture = True,
    capture_output: bool = True,
    attributes: Mapping[str, Any] | None = None,
    reduce: Reducer | None = None,
    sample_ratio: float | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def trace(
    function: Callable[..., Any] | None = None,
    /,
    *,
    kind: SpanKind | str = SpanKind.CHAIN,
    name: str | None = None,
    capture_input: Capture = True,
    capture_output: bool = True,
    attributes: Mapping[str, Any] | None = None,
    reduce: Reducer | None = None,
    sample_ratio: float | None = None,
) -> Any:
    """Trace every call of a function: sync, async, generator or async generator; methods of all three sorts too.

    A function that returns a stream (a generator, or with `reduce` anything that is iterated) is one span that lasts
    until the stream ends.

    Args:
        function: The function, where the decorator is written without arguments.
        kind: What it does: `llm`, `tool`, `agent`, `chain`, `retriever`, …
        name: The span's name; by default the function's.
        capture_input: Whether the arguments are kept, or the names of those that are.
        capture_output: Whether the result is kept.
        attributes: Attributes of each of its spans.
        reduce: Makes one output of all chunks of a stream; by default text is joined and the rest listed.
            `aip.openai_chat` is one for OpenAI's chat completions.
        sample_ratio: Share of the traces beginning with this function that is kept, 0 to 1; by default what `aip.init`
            was told. Inside of a trace its root has decided already.

    Raises:
        InvalidError: The ratio is not between 0 and 1.
        ValueError: There is no such kind.
    """
    checked_ratio(sample_ratio)

    def decorate(inner: Any) -> Any:
        if isinstance(inner, classmethod | staticmethod):
            return type(inner)(decorate(inner.__func__))
        call = _Call(
            inner,
            kind=SpanKind(kind),
            name=name,
            capture_input=capture_input,
            capture_output=capture_output,
            attributes=dict(attributes or {}),
            reduce=reduce,
            ratio=sample_ratio,
        )
        target = inner if inspect.isroutine(inner) or isinstance(inner, functools.partial) else inner.__call__
        if inspect.isasyncgenfunction(target):
            return functools.wraps(inner)(driven_async(call.open, inner, call.close))
        if inspect.isgeneratorfunction(target):
            return functools.wraps(inner)(driven(call.open, inner, call.close))
        if inspect.iscoroutinefunction(target):
            return _trace_async(inner, call)
        return _trace_sync(inner, call)

    return decorate if function is None else decorate(function)


class _Call:
    """How one function is traced."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        kind: SpanKind,
        name: str | None,
        capture_input: Capture,
        capture_output: bool,
        attributes: dict[str, Any],
        reduce: Reducer | None,
        ratio: float | None,
    ) -> None:
        self.name = name or getattr(function, "__qualname__", repr(function)).replace("<locals>.", "")
        self.reduces = reduce is not None
        self._kind = kind
        self._reduce = reduce or joined
        self._attributes = attributes
        self._ratio = ratio
        self._captures_output = capture_output
        self._arguments = _Arguments(function, capture_input) if capture_input else None

    def open(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span:
        """A span that is not current yet."""
        opened = begun(self.name, self._kind, tracer(self._ratio))
        if opened.otel.is_recording():
            if self._attributes:
                opened.set_attributes(self._attributes)
            if self._arguments is not None:
                opened.set_input(self._arguments.of(args, kwargs))
        return opened

    def keep(self, opened: Span, result: Any) -> None:
        """Note the result."""
        if self._captures_output and result is not None and opened.otel.is_recording():
            opened.set_output(result)

    def close(self, opened: Span, chunks: list[Any]) -> None:
        """End the span of a stream."""
        try:
            if opened.otel.is_recording():
                self._keep_reduced(opened, chunks)
        finally:
            opened.otel.end()

    def _keep_reduced(self, opened: Span, chunks: list[Any]) -> None:
        try:
            found = self._reduce(chunks)
        except Exception as error:  # noqa: BLE001 - a reducer is ours or the user's; the stream has run either way
            opened.set_attribute("aiplatform.reduce.error", f"{type(error).__name__}: {error}")
            found = joined(chunks)
        if isinstance(found, Reduced):
            opened.set_attributes(found.attributes)
            found = found.output
        self.keep(opened, found)


class _Arguments:
    """What a call was given, by the names of its parameters. The object of a method is not among them."""

    def __init__(self, function: Callable[..., Any], capture: Capture) -> None:
        self._wanted = None if isinstance(capture, bool) else frozenset(capture)
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            self._signature, self._names, self._skipped = None, None, 0
            return
        parameters = list(signature.parameters.values())
        self._signature = signature
        self._skipped = 1 if parameters and parameters[0].name in {"self", "cls"} else 0
        # Most functions have plain parameters alone, which need no binding: it would cost more than the span.
        is_plain = all(one.kind in _SIMPLE or one.kind is one.KEYWORD_ONLY for one in parameters)
        self._names = tuple(one.name for one in parameters if one.kind in _SIMPLE) if is_plain else None

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        found = self._bound(args, kwargs)
        return found if self._wanted is None else {name: found[name] for name in found if name in self._wanted}

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._names is not None and len(args) <= len(self._names):
            skipped = self._skipped if args else 0
            return {**dict(zip(self._names[skipped:], args[skipped:], strict=False)), **kwargs}
        if self._signature is None:
            return {"args": list(args), "kwargs": kwargs}
        try:
            bound = dict(self._signature.bind(*args, **kwargs).arguments)
        except TypeError:
            return {"args": list(args[self._skipped :]), "kwargs": kwargs}
        if self._skipped:
            bound.pop(next(iter(self._signature.parameters)), None)
        return bound


def _trace_sync(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        opened = call.open(args, kwargs)
        is_open = True
        token = otel_context.attach(otel_trace.set_span_in_context(opened.otel))
        try:
            result = function(*args, **kwargs)
            stream = _stream_of(result, opened, call)
            if stream is not None:
                is_open = False
                return stream
            call.keep(opened, result)
            return result
        except BaseException as error:
            opened.set_error(error)
            raise
        finally:
            otel_context.detach(token)
            if is_open:
                opened.otel.end()

    return traced


def _trace_async(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        opened = call.open(args, kwargs)
        is_open = True
        token = otel_context.attach(otel_trace.set_span_in_context(opened.otel))
        try:
            result = await function(*args, **kwargs)
            stream = _stream_of(result, opened, call)
            if stream is not None:
                is_open = False
                return stream
            call.keep(opened, result)
            return result
        except BaseException as error:
            opened.set_error(error)
            raise
        finally:
            otel_context.detach(token)
            if is_open:
                opened.otel.end()

    return traced


def _stream_of(result: Any, opened: Span, call: _Call) -> Any:
    """The result as a stream that ends the span; None where it is no stream."""
    if isinstance(result, GeneratorType):
        return driven(lambda *_: opened, lambda: result, call.close)()
    if isinstance(result, AsyncGeneratorType):
        return driven_async(lambda *_: opened, lambda: result, call.close)()
    if not call.reduces:
        return None
    if hasattr(result, "__anext__"):
        return TracedAsyncStream(result, opened, call.close)
    if hasattr(result, "__next__"):
        return TracedStream(result, opened, call.close)
    return None
