"""OTLP requests for tests: spans by keyword, with ids that can be told apart."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SECOND_NS: Final = 1_000_000_000


def trace_id_of(number: int) -> bytes:
    """The 16 bytes of the `number`-th trace."""
    return (0xABCD << 112 | number).to_bytes(16, "big")


def span_id_of(number: int) -> bytes:
    """The 8 bytes of the `number`-th span."""
    return (0xEF << 56 | number).to_bytes(8, "big")


def any_value_of(value: Any) -> AnyValue:
    """OTLP's form of a Python value."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, Mapping):
        pairs = [KeyValue(key=key, value=any_value_of(item)) for key, item in value.items()]
        return AnyValue(kvlist_value=KeyValueList(values=pairs))
    if isinstance(value, list | tuple):
        return AnyValue(array_value=ArrayValue(values=[any_value_of(item) for item in value]))
    return AnyValue(string_value=str(value))


def make_span(
    span: int = 1,
    *,
    trace: int = 1,
    parent: int | None = None,
    name: str = "span",
    attributes: Mapping[str, Any] | None = None,
    start_ns: int | None = None,
    duration_ns: int | None = SECOND_NS,
    error: str | None = None,
) -> Span:
    """A span; with `duration_ns=None` it has not ended."""
    start_ns = time.time_ns() - 60 * SECOND_NS if start_ns is None else start_ns
    found = Span(
        trace_id=trace_id_of(trace),
        span_id=span_id_of(span),
        parent_span_id=b"" if parent is None else span_id_of(parent),
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=0 if duration_ns is None else start_ns + duration_ns,
        attributes=[KeyValue(key=key, value=any_value_of(value)) for key, value in (attributes or {}).items()],
    )
    if error is not None:
        found.status.code = Status.STATUS_CODE_ERROR
        found.status.message = error
    return found


def export_request(
    spans: Iterable[Span], *, resource: Mapping[str, Any] | None = None, scope_name: str = "tests"
) -> ExportTraceServiceRequest:
    """An export request with all spans under one resource."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in ({"service.name": "tests"} | dict(resource or {})).items():
        group.resource.attributes.append(KeyValue(key=key, value=any_value_of(value)))
    scoped = group.scope_spans.add()
    scoped.scope.name = scope_name
    scoped.spans.extend(spans)
    return request


def make_record(
    name: str,
    body: Any = None,
    attributes: Mapping[str, Any] | None = None,
    *,
    at_ns: int = 1_000,
    trace: int = 1,
    span: int = 1,
    is_named_by_attribute: bool = False,
) -> LogRecord:
    """An event of a span as a log record; older emitters name it by an attribute."""
    said = {**(attributes or {}), **({"event.name": name} if is_named_by_attribute else {})}
    return LogRecord(
        time_unix_nano=at_ns,
        event_name="" if is_named_by_attribute else name,
        trace_id=trace_id_of(trace),
        span_id=span_id_of(span),
        body=any_value_of(body),
        attributes=[KeyValue(key=key, value=any_value_of(value)) for key, value in said.items()],
    )


def logs_request(records: Iterable[LogRecord]) -> ExportLogsServiceRequest:
    """An export request with all records under one resource."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.extend(records)
    return request
