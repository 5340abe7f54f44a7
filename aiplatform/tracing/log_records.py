"""Log records that belong to a span: the events in which some instrumentations put what was said.

A record is kept as it came and joined to its span whenever somebody reads that span, so it does not matter which of the
two arrived first. Its key is a hash of its bytes: the same record again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.i18n import N_
from aiplatform.tracing.model import Score, ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.semconv import CONTENT_EVENTS, MESSAGE_EVENTS
from aiplatform.tracing.values import any_value, attributes, number_or_none, plain_text

DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
EXCEPTION_EVENT: Final = "gen_ai.client.operation.exception"
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
KEPT_EVENTS: Final = frozenset({*MESSAGE_EVENTS, *CONTENT_EVENTS, DETAILS_EVENT, EXCEPTION_EVENT})
TOOL_EVENT: Final = "gen_ai.tool.message"
NAME_ATTRIBUTE: Final = "event.name"
MAX_NS: Final = 2**63 - 1
MAX_NAME: Final = 200
MAX_COMMENT: Final = 10_000

NOT_KEPT: Final = N_("Only GenAI events of a span are kept; other log records are not.")
NO_SPAN: Final = N_("A GenAI event needs the trace id and the span id of its call.")
BAD_TIME: Final = N_("A log record's time must fit 63 bits of nanoseconds.")
NO_RESULT: Final = N_("An evaluation result needs a trace id, a name, and a finite value or a label.")
NO_SCORES: Final = N_("This key may not write scores, so evaluation results are not kept.")


@dataclass(slots=True)
class LogArrival:
    """One log record as the store takes it."""

    trace_id: str
    span_id: str
    log_key: str
    """Hash of the record."""

    time_ns: int
    position: int
    """Place among the records of its request: some emitters give all messages of a call one time."""

    raw: bytes
    """opentelemetry.proto.logs.v1.LogRecord."""


def event_name(record: LogRecord) -> str:
    """The event that a record is; empty where it is none. Older emitters say so in an attribute."""
    if record.event_name:
        return record.event_name
    for pair in record.attributes:
        if pair.key == NAME_ATTRIBUTE:
            return pair.value.string_value
    return ""


def problem_with_record(record: LogRecord, name: str) -> str | None:
    """Why a record cannot be kept, as a catalogue text; None where it can."""
    if name not in KEPT_EVENTS:
        return NOT_KEPT
    if not _is_id(record.trace_id, 16) or not _is_id(record.span_id, 8):
        return NO_SPAN
    if time_of(record) > MAX_NS:
        return BAD_TIME
    return None


def read_record(record: LogRecord, position: int) -> LogArrival:
    """A record that `problem_with_record` found nothing wrong with."""
    raw = record.SerializeToString(deterministic=True)
    return LogArrival(record.trace_id.hex(), record.span_id.hex(), _key(raw), time_of(record), position, raw)


def read_evaluation(record: LogRecord, *, principal: str, now_ns: int) -> Score | None:
    """The score that an evaluation's result is; None where it is none.

    Its id follows from the record, so that the same record again replaces the score by itself. Where a result has both
    a value and a label, the value is the score's and the label begins its comment.
    """
    said = {**_mapping(record), **attributes(record.attributes)}
    name = _text(said.get("gen_ai.evaluation.name"), MAX_NAME)
    number = number_or_none(said.get("gen_ai.evaluation.score.value"))
    label = _text(said.get("gen_ai.evaluation.score.label"), MAX_NAME)
    if not name or not _is_id(record.trace_id, 16) or (number is None and not label):
        return None
    value: ScoreValue = label if number is None else number
    explanation = _text(said.get("gen_ai.evaluation.explanation"), MAX_COMMENT)
    comment = ": ".join(text for text in ((label if number is not None else ""), explanation) if text)
    at_ns = time_of(record)
    return Score(
        score_id=f"otlp-{_key(record.SerializeToString(deterministic=True))}",
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex() if _is_id(record.span_id, 8) else None,
        name=name,
        type=ScoreType.LABEL if number is None else ScoreType.NUMERIC,
        value=value,
        source=ScoreSource.CODE,
        comment=comment or None,
        principal=principal,
        created_ns=at_ns if 0 < at_ns <= MAX_NS else now_ns,
    )


def time_of(record: LogRecord) -> int:
    """When it happened, else when it was seen; 0 where nobody said. Nanoseconds."""
    return record.time_unix_nano or record.observed_time_unix_nano


def joined(raw: bytes, records: Sequence[bytes]) -> bytes:
    """A span with what its log records say: each message an event of it, details of the call attributes of it.

    Args:
        raw: `opentelemetry.proto.trace.v1.Span`.
        records: `opentelemetry.proto.logs.v1.LogRecord` each, in their order.
    """
    if not records:
        return raw
    span = SpanMessage.FromString(raw)
    known = {pair.key for pair in span.attributes}
    for each in records:
        record = LogRecord.FromString(each)
        name = event_name(record)
        pairs = [pair for pair in (*record.attributes, *_body(record)) if pair.key != NAME_ATTRIBUTE]
        if name == DETAILS_EVENT:
            fresh = [pair for pair in pairs if pair.key not in known]
            span.attributes.extend(fresh)
            known.update(pair.key for pair in fresh)
            continue
        event = span.events.add(
            name="exception" if name == EXCEPTION_EVENT else name, time_unix_nano=min(time_of(record), MAX_NS)
        )
        event.attributes.extend(pairs)
        if name == TOOL_EVENT:
            calls = [pair.value for pair in pairs if pair.key == "id"]
            event.attributes.extend(KeyValue(key="tool_call_id", value=call) for call in calls)
    return span.SerializeToString()


def _body(record: LogRecord) -> list[KeyValue]:
    """A body as attributes: the fields of a mapping, else one that is named for what it is."""
    which = record.body.WhichOneof("value")
    if which is None:
        return []
    if which == "kvlist_value":
        return list(record.body.kvlist_value.values)
    return [KeyValue(key="content", value=record.body)]


def _mapping(record: LogRecord) -> dict[str, Any]:
    value = any_value(record.body)
    return value if isinstance(value, dict) else {}


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _key(raw: bytes) -> str:
    return blake2b(raw, digest_size=16).hexdigest()


def _text(value: Any, limit: int) -> str:
    return plain_text(value).strip().replace("\x00", "�")[:limit]
