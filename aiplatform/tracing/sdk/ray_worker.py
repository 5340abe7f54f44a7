"""The far side of `ray_context` and `carried`: what a worker or a child does with the context that came with a call."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace as otel_trace

from aiplatform.tracing.sdk.context import use_traceparent
from aiplatform.tracing.sdk.masking import everything
from aiplatform.tracing.sdk.setup import init, is_initialised, nudge
from aiplatform.tracing.sdk.wire import Mask


@contextmanager
def arrived(payload: Mapping[str, Any]) -> Iterator[None]:
    """Spans opened in the block continue the caller's trace, and leave soon after it: workers end without warning."""
    if not is_initialised() and "url" in payload:
        init(
            payload.get("project"),
            url=payload["url"],
            key=payload.get("key"),
            service_name="ray-worker" if "key" not in payload and "ray" in sys.modules else None,
            sample_ratio=payload.get("ratio"),
            mask=_mask(payload),
            mask_patterns=payload.get("patterns"),
        )
    with use_traceparent(payload.get("traceparent")):
        try:
            yield
        finally:
            nudge()


def served_payload() -> Mapping[str, Any] | None:
    """What came with the Serve request that is answered here; None inside of a span, which is the nearer parent."""
    module = sys.modules.get("ray.serve.context")
    if module is None or otel_trace.get_current_span().get_span_context().is_valid:
        return None
    request = module._serve_request_context.get()
    payload = getattr(request, "_ray_trace_ctx", None)
    return payload if isinstance(payload, Mapping) else None


def _mask(payload: Mapping[str, Any]) -> Mask | None:
    packed = payload.get("mask")
    if packed is None:
        return None
    try:
        found: Mask = pickle.loads(packed)  # noqa: S301 - the driver's own, over the way its functions come
    except Exception:  # noqa: BLE001 - it needs something that is not here: no text leaves unmasked
        return everything
    return found
