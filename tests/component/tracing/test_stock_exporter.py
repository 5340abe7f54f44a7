"""OpenTelemetry's own exporter, given nothing but an address and a key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE


@pytest.mark.parametrize("compression", list(Compression))
def test_spans_of_the_stock_exporter_arrive_whole(server_url: str, traces: Traces, compression: Compression) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"{server_url}/v1/traces", headers={"authorization": "Bearer acme"}, compression=compression
    )
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.agent", "1.2")
    content: dict[str, Any] = {"role": "user", "parts": [{"type": "text", "content": "退款在哪里？"}]}
    with tracer.start_as_current_span("root") as root:
        trace_id = f"{root.get_span_context().trace_id:032x}"
        with tracer.start_as_current_span("chat m") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.input.messages", json.dumps([content]))
            span.add_event("first token", {"n": 1})
    provider.shutdown()

    tree = traces.get(SCOPE, trace_id)
    assert [(row.name, row.kind, row.depth, row.service) for row in tree.spans] == [
        ("root", "other", 0, "shop"),
        ("chat m", "llm", 1, "shop"),
    ]
    detail = traces.span(SCOPE, trace_id, tree.spans[1].span_id)
    assert detail.input_messages[0].text == "退款在哪里？"
    assert (detail.scope_name, detail.scope_version, detail.resource["service.name"]) == ("shop.agent", "1.2", "shop")
    assert [(event.name, event.attributes) for event in detail.events] == [("first token", {"n": 1})]


def test_a_refused_export_is_a_failure_to_the_exporter(server_url: str) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("t").start_span("x").end()
    refused = OTLPSpanExporter(endpoint=f"{server_url}/v1/traces", timeout=2)
    accepted = OTLPSpanExporter(endpoint=f"{server_url}/v1/traces", headers={"authorization": "Bearer acme"})
    assert refused.export(memory.get_finished_spans()) is SpanExportResult.FAILURE
    assert accepted.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
