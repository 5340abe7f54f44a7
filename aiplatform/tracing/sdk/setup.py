"""`aip.init`: where spans go, which and what of them, and who waits for nothing."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from aiplatform.client.credentials import Credentials, find_credentials
from aiplatform.tracing.sdk import carried, provider, ray_context
from aiplatform.tracing.sdk.context import context_of
from aiplatform.tracing.sdk.delivery import Target
from aiplatform.tracing.sdk.export import Exporter
from aiplatform.tracing.sdk.masking import masking
from aiplatform.tracing.sdk.sampling import checked_ratio, ratio_of_environment
from aiplatform.tracing.sdk.stats import TracingStats
from aiplatform.tracing.sdk.wire import Mask

MASK_VARIABLE: Final = "AIPLATFORM_TRACE_MASK"
TRACEPARENT_VARIABLE: Final = "TRACEPARENT"

_lock = threading.Lock()
"""Guards `_state`."""
_state: _State | None = None


@dataclass(slots=True)
class _State:
    """What `init` has set up in this process."""

    exporter: Exporter
    credentials: Credentials
    mask: Mask | None = None
    patterns: tuple[str, ...] = ()
    ratio: float | None = None


def init(
    project: str | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    service_name: str | None = None,
    sample_ratio: float | None = None,
    mask: Mask | None = None,
    mask_patterns: Collection[str] | None = None,
) -> None:
    """Send this process's spans to the platform, in the background.

    Called again it changes where spans go from then on, and sets up nothing twice. A tracer provider that the
    application has set already, or sets later, is kept and used. A platform that is down costs the application nothing:
    spans wait in a bounded queue, then on disk, and leave when it is back; `tracing_stats` says what became of them.

    From then on the open span goes along into threads, child processes, and calls of Ray.

    Args:
        project: Project inside the key's tenant; by default `AIPLATFORM_PROJECT`, else `default`.
        url: Address of the platform; by default `AIPLATFORM_URL`, else what `aiplatform up` wrote for its owner.
        key: API key; by default `AIPLATFORM_API_KEY`, `AIPLATFORM_KEY_FILE`, else the owner's. A key from a file is
            read again for each export, so a renewed one is used at once.
        service_name: What this application is called in traces; by default `OTEL_SERVICE_NAME`, else the program.
        sample_ratio: Share of the traces begun here that is kept, 0 to 1, by their ids; a span with a parent follows
            its parent. By default `AIPLATFORM_TRACE_SAMPLE_RATIO`, else OpenTelemetry's own variables, else all.
        mask: Takes the name and the value of each attribute, event attribute, span name (`name`) and error
            (`status.message`) before they leave, on another thread; gives what may be sent, None for nothing. Where it
            fails the value is hidden.
        mask_patterns: Ready patterns to mask as well: `email`, `credit_card`, `api_key`, `phone`, `china_id`,
            `ip_address`. By default `AIPLATFORM_TRACE_MASK`, separated by commas, else none.

    Raises:
        InvalidError: The ratio is not between 0 and 1, or there is no such pattern.
    """
    global _state
    credentials = find_credentials(url=url, key=key, project=project)
    ratio = checked_ratio(sample_ratio if sample_ratio is not None else ratio_of_environment())
    if mask_patterns is None:
        mask_patterns = [name.strip() for name in os.environ.get(MASK_VARIABLE, "").split(",") if name.strip()] or None
    masking(mask, mask_patterns or ())
    with _lock:
        if _state is None:
            _state = _State(Exporter(Target(credentials)), credentials)
            _dress(_state, credentials, mask, mask_patterns)
            provider.attach(_state.exporter, service_name=service_name, ratio=ratio)
            atexit.register(_state.exporter.close)
        else:
            _dress(_state, credentials, mask, mask_patterns)
            if ratio is not None and ratio != _state.ratio:
                provider.set_ratio(ratio)
        _state.ratio = ratio if ratio is not None else _state.ratio
        state = _state
    state.exporter.start()
    _continue_parent()
    carried.install()
    ray_context.announce(credentials, state.mask, state.patterns, state.ratio)


def flush(timeout_s: float = 10.0) -> bool:
    """Send what waits, now; returns whether nothing waits any more, neither in memory nor on disk."""
    state = _state
    return state is None or state.exporter.flush(timeout_s)


def tracing_stats() -> TracingStats:
    """What became of this process's spans so far: sent, waiting, on disk, lost, and by whose doing."""
    state = _state
    return TracingStats() if state is None else state.exporter.stats()


def is_initialised() -> bool:
    """Whether `init` was called in this process."""
    return _state is not None


def credentials_in_use() -> Credentials | None:
    """Where spans go; None before `init`."""
    return None if _state is None else _state.credentials


def nudge() -> None:
    """Let the background send what waits soon, without waiting for it."""
    if _state is not None:
        _state.exporter.nudge()


def _dress(state: _State, credentials: Credentials, mask: Mask | None, patterns: Collection[str] | None) -> None:
    """Masks first: what ends while this runs must not leave unmasked."""
    state.mask = mask if mask is not None else state.mask
    state.patterns = tuple(patterns) if patterns is not None else state.patterns
    state.exporter.mask = masking(state.mask, state.patterns)
    state.credentials = credentials
    state.exporter.aim(Target(credentials))


def _continue_parent() -> None:
    """Spans of a process that was started inside a span are that span's children."""
    header = os.environ.get(TRACEPARENT_VARIABLE)
    if not header or ray_context.is_worker() or otel_trace.get_current_span().get_span_context().is_valid:
        return
    otel_context.attach(context_of(header))
