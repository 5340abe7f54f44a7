"""Tracing for applications: OpenTelemetry underneath, nothing heavier.

import aiplatform as aip

aip.init(project="docs-assistant")
aip.autotrace()

@aip.trace(kind="retriever")
def search(question: str) -> list[str]: ...
"""

from aiplatform.tracing.sdk.autotrace import Instrumentation, autotrace, stop_autotrace
from aiplatform.tracing.sdk.context import (
    ContextThreadPoolExecutor,
    current_traceparent,
    in_context,
    traceparent_of,
    use_traceparent,
)
from aiplatform.tracing.sdk.decorator import trace
from aiplatform.tracing.sdk.ray_context import carry_to, carrying
from aiplatform.tracing.sdk.reducers import Reduced, openai_chat
from aiplatform.tracing.sdk.setup import flush, init, tracing_stats
from aiplatform.tracing.sdk.spans import Span, current_span, span
from aiplatform.tracing.sdk.stats import TracingStats

__all__ = [
    "ContextThreadPoolExecutor",
    "Instrumentation",
    "Reduced",
    "Span",
    "TracingStats",
    "autotrace",
    "carry_to",
    "carrying",
    "current_span",
    "current_traceparent",
    "flush",
    "in_context",
    "init",
    "openai_chat",
    "span",
    "stop_autotrace",
    "trace",
    "traceparent_of",
    "tracing_stats",
    "use_traceparent",
]
