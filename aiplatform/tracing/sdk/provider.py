"""Whose tracer provider makes the spans: the application's where it has one, now or later, else one of ours."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace as otel_trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from aiplatform.tracing.sdk.sampling import sampler_of, with_sampler

SCOPE_NAME: Final = "aiplatform"

_lock = threading.Lock()
"""Guards what is attached, and the cache of tracers."""
_provider: TracerProvider | None = None
_processor: SpanProcessor | None = None
_is_ours = False
_ratio: float | None = None
_tracers: dict[tuple[int, float | None], tuple[Any, Any]] = {}


def tracer(ratio: float | None = None) -> otel_trace.Tracer:
    """The tracer of the application's own spans.

    Args:
        ratio: Share of the traces beginning with such a span that is kept; by default what `init` was told.
    """
    provider = _provider or otel_trace.get_tracer_provider()
    found = _tracers.get((id(provider), ratio))
    # The provider is kept beside its tracer: an address alone could be that of a later one.
    if found is not None and found[0] is provider:
        made: otel_trace.Tracer = found[1]
        return made
    made = provider.get_tracer(SCOPE_NAME)
    wanted = ratio if ratio is not None else _ratio
    if wanted is not None and hasattr(made, "sampler"):
        made = with_sampler(made, sampler_of(wanted))
    if isinstance(provider, TracerProvider):
        with _lock:
            _tracers[id(provider), ratio] = (provider, made)
    return made


def attach(processor: SpanProcessor, *, service_name: str | None, ratio: float | None) -> None:
    """Let spans of this process pass through `processor`, from now on."""
    global _provider, _processor, _is_ours, _ratio
    found = otel_trace.get_tracer_provider()
    if isinstance(found, TracerProvider):
        provider, is_ours = found, False
    else:
        sampler = None if ratio is None else sampler_of(ratio)
        provider, is_ours = (
            TracerProvider(resource=_resource(service_name), sampler=sampler, shutdown_on_exit=False),
            True,
        )
    provider.add_span_processor(processor)
    with _lock:
        _provider, _processor, _is_ours, _ratio = provider, processor, is_ours, ratio
        _tracers.clear()
    if is_ours:
        _watch_for_a_later_one()
        otel_trace.set_tracer_provider(provider)


def set_ratio(ratio: float) -> None:
    """Keep that share of the traces that begin from now on."""
    global _ratio
    with _lock:
        _ratio = ratio
        _tracers.clear()
        if _is_ours and _provider is not None:
            _provider.sampler = sampler_of(ratio)
            for made in _provider._tracers.values():
                made.sampler = _provider.sampler


class _Forward(SpanProcessor):
    """Shows the spans of our provider to the processors of the application's, which was set later."""

    def __init__(self, later: TracerProvider) -> None:
        self._later = later._active_span_processor

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Pass on."""
        for processor in self._others():
            processor.on_start(span, parent_context=parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on."""
        for processor in self._others():
            processor.on_end(span)

    def _others(self) -> list[SpanProcessor]:
        return [one for one in self._later._span_processors if one is not _processor]


def _watch_for_a_later_one() -> None:
    """OpenTelemetry lets a provider be set once; an application that sets its own after `init` must not lose it."""
    original: Callable[..., None] = otel_trace._set_tracer_provider
    if getattr(original, "_aip", False):
        return

    def set_provider(tracer_provider: Any, log: bool) -> None:
        is_later = _is_ours and tracer_provider is not _provider and otel_trace._TRACER_PROVIDER is _provider
        if is_later and isinstance(tracer_provider, TracerProvider):
            _hand_over(tracer_provider)
        else:
            original(tracer_provider, log)

    set_provider._aip = True  # type: ignore[attr-defined]
    otel_trace._set_tracer_provider = set_provider


def _hand_over(later: TracerProvider) -> None:
    global _provider, _is_ours
    with _lock:
        ours, _provider, _is_ours = _provider, later, False
        _tracers.clear()
    if _processor is not None:
        later.add_span_processor(_processor)
    if ours is not None:
        # Tracers that instrumentations took from ours stay in use; their spans belong to the application's too.
        ours.add_span_processor(_Forward(later))
    otel_trace._TRACER_PROVIDER = later


def _resource(service_name: str | None) -> Resource:
    resource = Resource.create()
    named = service_name or os.environ.get("OTEL_SERVICE_NAME")
    if named is None and str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        named = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0] or "python"  # noqa: PTH119, PTH122
    return resource.merge(Resource({SERVICE_NAME: named})) if named else resource
