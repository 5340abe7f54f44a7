"""Traces, spans and scores as MLflow's clients write and read them: the JSON form of its protobuf messages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.content_model import Message
from aiplatform.tracing.model import (
    Score,
    ScoreSource,
    ScoreType,
    ScoreValue,
    SpanDetail,
    SpanKind,
    Status,
    TraceSummary,
)
from aiplatform.tracing.store.labels import SESSION, USER, LabelKind, Labels
from aiplatform.tracing.store.mlflow_conditions import TRACE_NAME
from aiplatform.tracing.store.mlflow_search import EXPERIMENT, NO_EXPERIMENT
from aiplatform.tracing.usage import EMITTED_CURRENCY
from aiplatform.tracing.values import any_value_of

SPANS_LOCATION: Final = "mlflow.trace.spansLocation"
TRACKING_STORE: Final = "TRACKING_STORE"
"""What tells a client that spans are kept here, so that it uploads none as an artifact and asks here for them."""

ARTIFACT_LOCATION: Final = "mlflow.artifactLocation"
"""Where a client puts what is too large for a span: images and other attachments."""

SCHEMA_VERSION: Final = ("mlflow.trace_schema.version", "3")
_STATES: Final = {Status.OK: "OK", Status.ERROR: "ERROR", Status.RUNNING: "IN_PROGRESS"}
_SOURCE_TYPES: Final = {ScoreSource.HUMAN: "HUMAN", ScoreSource.CODE: "CODE", ScoreSource.JUDGE: "LLM_JUDGE"}
_SOURCES: Final = {
    "HUMAN": ScoreSource.HUMAN,
    "CODE": ScoreSource.CODE,
    "LLM_JUDGE": ScoreSource.JUDGE,
    "AI_JUDGE": ScoreSource.JUDGE,
}
_SPAN_TYPES: Final = {
    SpanKind.LLM: "CHAT_MODEL",
    SpanKind.OTHER: "UNKNOWN",
    SpanKind.PLAN: "CHAIN",
    SpanKind.DECISION: "CHAIN",
    SpanKind.PROMPT: "CHAIN",
}
"""Our kind -> MLflow's type, where it is not the same word in upper case."""


def trace_info(summary: TraceSummary, labels: Labels, scores: Sequence[Score]) -> dict[str, Any]:
    """`TraceInfoV3` of a trace."""
    info = labels.get(LabelKind.INFO, {})
    found: dict[str, Any] = {
        "trace_id": f"tr-{summary.trace_id}",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": info.get(EXPERIMENT, NO_EXPERIMENT)},
        },
        "request_time": timestamp(summary.start_ns),
        "state": info.get("state") or _STATES[summary.status],
        "trace_metadata": {**_known_metadata(summary), **labels.get(LabelKind.METADATA, {})},
        "tags": {
            TRACE_NAME: summary.name or "",
            **labels.get(LabelKind.TAG, {}),
            **own_tags(summary.trace_id, info.get(EXPERIMENT, NO_EXPERIMENT)),
        },
        "assessments": assessments(labels, scores),
    }
    if summary.status is not Status.RUNNING:
        found["execution_duration"] = f"{summary.duration_ns // 1_000_000 / 1000:.3f}s"
    for name, text in (
        ("request_preview", summary.input_preview),
        ("response_preview", summary.output_preview),
        ("client_request_id", None),
    ):
        said = info.get(name) or text
        if said:
            found[name] = said
    return found


def own_tags(trace_id: str, experiment_id: str) -> dict[str, str]:
    """Tags that the platform sets itself, and that clients go by."""
    return {
        SPANS_LOCATION: TRACKING_STORE,
        ARTIFACT_LOCATION: f"mlflow-artifacts:/{experiment_id}/traces/tr-{trace_id}/artifacts",
    }


def assessments(labels: Labels, scores: Sequence[Score]) -> list[dict[str, Any]]:
    """`Assessment`s of a trace, the oldest first: as their senders wrote them, and the scores that came otherwise."""
    written = {
        score_id: json.loads(text)
        for kind in (LabelKind.FEEDBACK, LabelKind.EXPECTATION)
        for score_id, text in labels.get(kind, {}).items()
    }
    others = {score.score_id: assessment_of(score) for score in scores if score.score_id not in written}
    return sorted((written | others).values(), key=lambda each: (each["create_time"], each["assessment_id"]))


def assessment_of(score: Score) -> dict[str, Any]:
    """A score of the platform's own as a `Feedback`."""
    found = {
        "assessment_id": score.score_id,
        "assessment_name": score.name,
        "trace_id": f"tr-{score.trace_id}",
        "source": {"source_type": _SOURCE_TYPES[score.source], "source_id": score.principal},
        "create_time": timestamp(score.created_ns),
        "last_update_time": timestamp(score.created_ns),
        "feedback": {"value": score.value},
        "valid": True,
    }
    if score.span_id:
        found["span_id"] = score.span_id
    if score.comment:
        found["rationale"] = score.comment
    return found


def value_of(assessment: Mapping[str, Any]) -> tuple[ScoreValue, ScoreType] | None:
    """What an assessment says as a score's value; None where it says nothing (a judge that failed).

    Raises:
        InvalidError: It is neither feedback nor expectation.
    """
    if "feedback" in assessment:
        value = (assessment["feedback"] or {}).get("value")
    elif "expectation" in assessment:
        holder = assessment["expectation"] or {}
        serialized = holder.get("serialized_value") or holder.get("serializedValue")
        value = _decoded(serialized) if serialized else holder.get("value")
    else:
        raise InvalidError(
            N_("An assessment is feedback or an expectation; this one is neither."), reason="mlflow.assessment"
        )
    if value is None:
        return None
    if isinstance(value, bool):
        return value, ScoreType.BOOLEAN
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise InvalidError(N_("A score cannot be {value!r}."), value=value)
        return float(value), ScoreType.NUMERIC
    if isinstance(value, str):
        return value, ScoreType.LABEL if len(value) <= 200 else ScoreType.TEXT
    return json.dumps(value, ensure_ascii=False), ScoreType.TEXT


def source_of(assessment: Mapping[str, Any]) -> ScoreSource:
    """Who judged; code where nobody is named."""
    named = str((assessment.get("source") or {}).get("source_type", "")).upper()
    return _SOURCES.get(named, ScoreSource.CODE)


def span_json(raw: bytes, detail: SpanDetail) -> dict[str, Any]:
    """One span in OTLP's JSON with protobuf's base 64 for ids, as `Trace.spans` holds it.

    Spans that MLflow's own client did not write get its names for type, input and output beside theirs.
    """
    message = SpanMessage.FromString(raw)
    known = {pair.key for pair in message.attributes}
    more: dict[str, Any] = {}
    if "mlflow.spanType" not in known:
        more["mlflow.spanType"] = _SPAN_TYPES.get(detail.row.kind, detail.row.kind.value.upper())
    before = [_message_json(each) for each in detail.input_messages] or detail.input
    after = [_message_json(each) for each in detail.output_messages] or detail.output
    if detail.tool_call is not None:
        before = before if before is not None else detail.tool_call.arguments
        after = after if after is not None else detail.tool_call.result
    for name, value in (("mlflow.spanInputs", before), ("mlflow.spanOutputs", after)):
        if name not in known and value is not None:
            more[name] = value
    for name, value in more.items():
        # In its own shape: MLflow's client would take a JSON text for a plain text.
        message.attributes.append(KeyValue(key=name, value=any_value_of(value)))
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


def timestamp(ns: int) -> str:
    """Nanoseconds since 1970 as protobuf's JSON writes a time, to the millisecond."""
    moment = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // 1_000_000 % 1000:03d}Z"


def _decoded(serialized: Any) -> Any:
    try:
        return json.loads(serialized["value"])
    except (ValueError, TypeError, KeyError):
        raise InvalidError(
            N_("The serialized value of an expectation is not JSON."), reason="mlflow.assessment"
        ) from None


def _known_metadata(summary: TraceSummary) -> dict[str, str]:
    found = dict([SCHEMA_VERSION])
    if summary.session_id:
        found[SESSION] = summary.session_id
    if summary.user_id:
        found[USER] = summary.user_id
    usage = summary.usage
    if usage.is_known:
        counts = {
            "input_tokens": usage.input_tokens or 0,
            "output_tokens": usage.output_tokens or 0,
            "total_tokens": usage.total_tokens or 0,
        }
        found["mlflow.trace.tokenUsage"] = json.dumps(counts)
    if summary.cost is not None and summary.currency == EMITTED_CURRENCY:  # MLflow knows costs in dollars alone
        found["mlflow.trace.cost"] = json.dumps({"total_cost": summary.cost})
    return found


def _message_json(message: Message) -> dict[str, Any]:
    texts = [part.text for part in message.parts if part.type == "text" and part.text is not None]
    calls = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": json.dumps(part.data, ensure_ascii=False, default=str)},
        }
        for part in message.parts
        if part.type == "tool_call"
    ]
    answers = [part.data for part in message.parts if part.type == "tool_call_response"]
    content: Any = "\n".join(texts) if texts else (answers[0] if answers else None)
    return {"role": message.role, "content": content, **({"tool_calls": calls} if calls else {})}
