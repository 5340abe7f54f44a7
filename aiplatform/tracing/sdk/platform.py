"""Spans that the platform's own processes make for a tenant: the door, model replicas, the worker.

They go to the tenant and project of the request that caused them, not to one place of the process, so they are kept
apart from the application's tracing: a provider of their own, whose exporter sorts spans by scope and hands each
scope's to a sink. The sink is the span store where the process has one (`Traces.ingest`), else the platform's
`/v1/traces`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.scope import Scope
from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.sdk.context import use_traceparent
from aiplatform.tracing.sdk.spans import SCOPE_NAME, Span, span

Sink = Callable[[Scope, bytes], Any]
"""Takes the spans of one scope as an OTLP export request (protobuf)."""

TENANT_ATTRIBUTE: Final = "aiplatform.tenant.id"
PROJECT_ATTRIBUTE: Final = "aiplatform.project.id"
EXPORT_PERIOD_MS: Final = 500


class PlatformTracer:
    """Makes spans on behalf of tenants. Thread safe; one a process."""

    def __init__(self, sink: Sink, *, service_name: str) -> None:
        self._provider = TracerProvider(resource=Resource({SERVICE_NAME: service_name}), shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(_ScopedExporter(sink), schedule_delay_millis=EXPORT_PERIOD_MS)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer(SCOPE_NAME)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        scope: Scope,
        kind: SpanKind | str,
        traceparent: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Iterator[Span]:
        """A span of the tenant and project that `scope` names.

        Args:
            name: What a reader sees in the tree.
            scope: Whose it is; it must name a project.
            kind: What it does.
            traceparent: Header of the request; without it the span that is open here is the parent.
            attributes: Further attributes.
        """
        owner = {TENANT_ATTRIBUTE: scope.tenant_id, PROJECT_ATTRIBUTE: scope.project_id or ""}
        with (
            use_traceparent(traceparent),
            span(name, kind=kind, attributes={**owner, **(attributes or {})}, tracer=self._tracer) as opened,
        ):
            yield opened

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Hand over what waits, now."""
        return self._processor.force_flush(int(timeout_s * 1000))

    def close(self) -> None:
        """Hand over what waits, then stop."""
        self._provider.shutdown()


def platform_tracer(sink: Sink, *, service_name: str) -> PlatformTracer:
    """A tracer for a process of the platform.

    Args:
        sink: Where spans go, scope by scope.
        service_name: What the process is called in traces: `door`, `worker`.
    """
    return PlatformTracer(sink, service_name=service_name)


class _ScopedExporter(SpanExporter):
    """Sorts a batch by tenant and project, and hands each its own."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415 - not for import

        by_scope: dict[Scope, list[ReadableSpan]] = {}
        for finished in spans:
            attributes = finished.attributes or {}
            tenant_id, project_id = attributes.get(TENANT_ATTRIBUTE), attributes.get(PROJECT_ATTRIBUTE)
            if tenant_id and project_id:
                scope = Scope(tenant_id=str(tenant_id), project_id=str(project_id))
                by_scope.setdefault(scope, []).append(finished)
        result = SpanExportResult.SUCCESS
        for scope, own in by_scope.items():
            try:
                self._sink(scope, encode_spans(own).SerializeToString())
            except AIPlatformError:
                result = SpanExportResult.FAILURE
        return result

    def shutdown(self) -> None:
        """Nothing to let go of."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits in here."""
        return True
