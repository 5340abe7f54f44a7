"""The door's one span of a request, from its start to the sink."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.scope import Scope
from aiplatform.serve.ports import DoorSpan, SpanSink
from aiplatform.serve.tracecontext import TraceContext


class OpenSpan:
    """A span that has begun. Finishing it twice changes nothing."""

    def __init__(self, sink: SpanSink | None, scope: Scope, context: TraceContext, *, name: str) -> None:
        self.context = context
        self._sink = sink if context.is_sampled else None
        self._scope = scope
        self._name = name
        self._start_ns = time.time_ns()
        self._begun = time.perf_counter_ns()
        self._attributes: dict[str, Any] = {}
        self._is_finished = False

    @property
    def is_recorded(self) -> bool:
        """Whether anybody will read its attributes."""
        return self._sink is not None

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return (time.perf_counter_ns() - self._begun) / 1e9

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes, where it has not ended."""
        if not self._is_finished:
            self._attributes.update(attributes)

    def finish(self, *, status: int, error: BaseException | None = None) -> None:
        """End it and hand it to the sink.

        Args:
            status: The HTTP status that was answered.
            error: What went wrong, where something did.
        """
        if self._is_finished:
            return
        self._is_finished = True
        if self._sink is None:
            return
        self._attributes["http.response.status_code"] = status
        message = None
        if error is not None:
            known = isinstance(error, AIPlatformError)
            self._attributes["error.type"] = error.full_code if known else type(error).__name__  # type: ignore[attr-defined]
            message = str(error) or type(error).__name__
        elapsed_ns = time.perf_counter_ns() - self._begun
        self._sink.emit(
            self._scope,
            DoorSpan(
                trace_id=self.context.trace_id,
                span_id=self.context.span_id,
                parent_span_id=self.context.parent_span_id,
                trace_state=self.context.tracestate,
                name=self._name,
                start_ns=self._start_ns,
                end_ns=self._start_ns + elapsed_ns,
                attributes=self._attributes,
                error=message,
            ),
        )
