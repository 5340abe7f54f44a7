"""The one record that every emitter's call must give, and what an emitter cannot know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from aiplatform.tracing.arrival import Arrival, read_span
from aiplatform.tracing.content_model import Message
from aiplatform.tracing.log_records import joined
from aiplatform.tracing.model import SpanDetail, SpanKind
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.otlp import decode
from aiplatform.tracing.store.rows import span_of

Record = Mapping[str, Any]

SYSTEM = ("system", [("text", "You sell tea.")])
USER = ("user", [("text", "茶多少钱？")])
ANSWER = ("assistant", [("text", "Tea costs 3.50 EUR.")])
CALL = ("assistant", [("tool_call", "call_1", "price", {"article": "tea"})])

_CHAT: Record = {
    "kind": "llm",
    "operation": "chat",
    "provider": "openai",
    "request_model": "gpt-4o-mini",
    "response_model": "gpt-4o-mini-2024-07-18",
    "input_messages": [SYSTEM, USER],
    "output_messages": [ANSWER],
    "finish_reasons": ["stop"],
    "input_tokens": 24,
    "output_tokens": 7,
    "cache_read_tokens": 8,
    "status": "ok",
    "error": None,
}
_NOTHING: Record = {
    "response_model": None,
    "output_messages": [],
    "finish_reasons": [],
    "input_tokens": None,
    "output_tokens": None,
    "cache_read_tokens": None,
}

EXPECTED: Mapping[str, Record] = {
    "chat": _CHAT,
    "stream": _CHAT,
    "tool-call": {**_CHAT, "output_messages": [CALL], "finish_reasons": ["tool_calls"]},
    "responses": _CHAT,
    "embeddings": {
        **_CHAT,
        **_NOTHING,
        "kind": "embedding",
        "operation": "embeddings",
        "request_model": "text-embedding-3-small",
        "response_model": "text-embedding-3-small",
        "input_messages": [],
        "input_tokens": 2,
    },
    "connection-error": {
        **_CHAT,
        **_NOTHING,
        "status": "error",
        "error": ("APIConnectionError", "Connection error."),
    },
}

NO_SPAN = frozenset({"*"})
_ONE_MODEL = frozenset({"request_model", "response_model"})

UNKNOWN: Mapping[str, Mapping[str, frozenset[str]]] = {
    # The Responses API it does not know.
    "openai-v2": {"*": frozenset({"cache_read_tokens"}), "responses": NO_SPAN},
    # One name of a model, the one that answered; no provider; no reason but for streams; of an error its text alone.
    "langfuse": {
        "*": frozenset({"provider"}),
        "chat": _ONE_MODEL | {"finish_reasons"},
        "stream": _ONE_MODEL,
        "tool-call": _ONE_MODEL | {"finish_reasons"},
        "embeddings": frozenset({"response_model"}),
        "responses": _ONE_MODEL | {"finish_reasons"},
        "connection-error": frozenset({"error"}),
    },
    # The usage of embeddings stands in the answer alone, and nothing says who answered.
    "mlflow": {"embeddings": frozenset({"provider", "input_tokens"})},
}
"""Emitter -> call (`*` for all) -> fields that it never sends; `NO_SPAN` where it makes no span."""


def unknown_to(emitter: str, call: str) -> frozenset[str]:
    """Fields that an emitter cannot know of a call."""
    told = UNKNOWN.get(emitter, {})
    return told.get("*", frozenset()) | told.get(call, frozenset())


def record_of(detail: SpanDetail) -> Record:
    """What is compared of a span."""
    has_error = detail.error_type is not None or detail.error_message is not None
    return {
        "kind": detail.row.kind.value,
        "operation": detail.operation,
        "provider": detail.provider,
        "request_model": detail.request_model,
        "response_model": detail.response_model,
        "input_messages": [_plain(message) for message in detail.input_messages],
        "output_messages": [_plain(message) for message in detail.output_messages],
        "finish_reasons": list(detail.finish_reasons),
        "input_tokens": detail.usage.input_tokens,
        "output_tokens": detail.usage.output_tokens,
        "cache_read_tokens": detail.usage.cache_read_tokens or None,
        "status": detail.row.status.value,
        "error": (detail.error_type, detail.error_message) if has_error else None,
    }


def details_in(body: bytes, logs: bytes = b"") -> list[SpanDetail]:
    """Every span of an export request, joined with the log records of another, as the platform shows it."""
    records: dict[tuple[bytes, bytes], list[bytes]] = {}
    for sender in ExportLogsServiceRequest.FromString(logs).resource_logs:
        for emitted in sender.scope_logs:
            for record in emitted.log_records:
                records.setdefault((record.trace_id, record.span_id), []).append(record.SerializeToString())
    found: list[SpanDetail] = []
    for group in decode(body).resource_spans:
        for scoped in group.scope_spans:
            for span in scoped.spans:
                arrival: Arrival = read_span(span, None, "key")
                resource, scope = group.resource.SerializeToString(), scoped.scope.SerializeToString()
                row = span_of(arrival, arrival.trace_id)
                raw = joined(arrival.raw, records.get((span.trace_id, span.span_id), ()))
                found.append(read_detail(row, raw, resource=resource, scope=scope))
    return found


def model_call(details: Sequence[SpanDetail]) -> SpanDetail | None:
    """The one span that is a call to a model; None where there is none."""
    calls = [one for one in details if one.row.kind in {SpanKind.LLM, SpanKind.EMBEDDING}]
    assert len(calls) <= 1, [one.row.name for one in calls]
    return calls[0] if calls else None


def _plain(message: Message) -> tuple[str, list[tuple[Any, ...]]]:
    return message.role, [
        (part.type, part.tool_call_id, part.tool_name, part.data)
        if part.type == "tool_call"
        else (part.type, part.text)
        for part in message.parts
    ]
