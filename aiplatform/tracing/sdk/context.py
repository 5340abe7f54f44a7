"""Trace context across threads and processes, as the W3C's `traceparent`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT: Final = "traceparent"
_PROPAGATOR: Final = TraceContextTextMapPropagator()

P = ParamSpec("P")
R = TypeVar("R")


def current_traceparent() -> str | None:
    """The `traceparent` of the span that is open here; None where none is."""
    return traceparent_of(otel_trace.get_current_span().get_span_context())


def traceparent_of(span_context: otel_trace.SpanContext) -> str | None:
    """The `traceparent` that names a span; None for one that is not valid."""
    if not span_context.is_valid:
        return None
    return f"00-{span_context.trace_id:032x}-{span_context.span_id:016x}-{int(span_context.trace_flags):02x}"


@contextmanager
def use_traceparent(header: str | None) -> Iterator[None]:
    """Spans opened in the block are children of the span that `header` names.

    Args:
        header: A `traceparent`; without one, or with one that is malformed, the block runs as it is.
    """
    if not header:
        yield
        return
    token = otel_context.attach(context_of(header))
    try:
        yield
    finally:
        otel_context.detach(token)


def context_of(header: str) -> Context:
    """The context of here and now, with the span that `header` names as the open one."""
    return _PROPAGATOR.extract({TRACEPARENT: header}, context=otel_context.get_current())


def traceparent_in(headers: Mapping[str, str]) -> str | None:
    """The `traceparent` among HTTP headers, whatever the case of its name."""
    return next((value for name, value in headers.items() if name.lower() == TRACEPARENT), None)


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """`function` for another thread: it runs in the trace context of here and now."""
    here = otel_context.get_current()

    @functools.wraps(function)
    def there(*args: P.args, **kwargs: P.kwargs) -> R:
        token = otel_context.attach(here)
        try:
            return function(*args, **kwargs)
        finally:
            otel_context.detach(token)

    return there


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A thread pool whose work belongs to the span that was open when it was submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` on a thread of the pool, in the trace context of here and now."""
        return super().submit(in_context(fn), *args, **kwargs)
