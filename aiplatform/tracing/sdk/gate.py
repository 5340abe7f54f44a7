"""A tracer provider that can be shut: some instrumentations stay in what they watch when they are stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace as otel_trace


class Gate(otel_trace.TracerProvider):
    """The application's provider while it is open; afterwards one that makes no spans and hides none."""

    def __init__(self, provider: otel_trace.TracerProvider) -> None:
        self._provider = provider
        self.is_open = True

    def close(self) -> None:
        """Let no more spans through."""
        self.is_open = False

    def get_tracer(self, *args: Any, **kwargs: Any) -> otel_trace.Tracer:
        """A tracer of the provider, behind the gate."""
        return _GatedTracer(self, self._provider.get_tracer(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)


class _GatedTracer(otel_trace.Tracer):
    def __init__(self, gate: Gate, tracer: otel_trace.Tracer) -> None:
        self._gate = gate
        self._tracer = tracer

    def start_span(self, name: str, context: Any = None, *args: Any, **kwargs: Any) -> otel_trace.Span:
        if self._gate.is_open:
            return self._tracer.start_span(name, context, *args, **kwargs)
        # What opens below it belongs to the span that is open around it.
        return otel_trace.NonRecordingSpan(otel_trace.get_current_span(context).get_span_context())

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[otel_trace.Span]:  # type: ignore[override]
        if self._gate.is_open:
            with self._tracer.start_as_current_span(name, *args, **kwargs) as opened:
                yield opened
        else:
            yield self.start_span(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracer, name)
