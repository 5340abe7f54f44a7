from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

_memory = InMemorySpanExporter()


class Finished:
    """The spans that ended in this test."""

    def all(self) -> list[ReadableSpan]:
        return list(_memory.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        return next(span for span in self.all() if span.name == name)


@pytest.fixture(scope="session")
def _provider() -> TracerProvider:
    provider = otel_trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        otel_trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(_memory))
    return provider


@pytest.fixture
def finished(_provider: TracerProvider) -> Iterator[Finished]:
    _memory.clear()
    yield Finished()
    _memory.clear()
