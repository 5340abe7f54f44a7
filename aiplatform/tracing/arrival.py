"""A span on the write path: checked, and read just far enough to fill the columns that lists and filters need.

The span's own bytes are kept as they came. Attributes are walked once, by name; none becomes a Python object unless a
column wants it (a dictionary of all of them would cost more than the database does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status as StatusMessage

from aiplatform.core.i18n import N_
from aiplatform.tracing.model import DAY_NS, SpanKind, Status
from aiplatform.tracing.pricing import Cost
from aiplatform.tracing.semconv import COLUMN_FIELD_OF, KIND_ORDER, KIND_WORDS, Field, provider_name, provider_of_format
from aiplatform.tracing.usage import emitted_cost, says_usage, usage_counts
from aiplatform.tracing.values import JSON_STARTS, any_value, plain_text, unwrapped

MAX_NAME: Final = 1_000
MAX_LABEL: Final = 400
MAX_ERROR: Final = 500
MAX_PAST_DAYS: Final = 3_650
MAX_FUTURE_DAYS: Final = 2
MAX_NS: Final = 2**63 - 1

BAD_TRACE_ID: Final = N_("A trace id must be 16 bytes and not all zero.")
BAD_SPAN_ID: Final = N_("A span id must be 8 bytes and not all zero.")
BAD_PARENT_ID: Final = N_("A parent span id must be 8 bytes or empty.")
BAD_START: Final = N_("A span must start within the last 3,650 days, and at most 2 days ahead of the platform's clock.")
BAD_END: Final = N_("A span's end must be a time that fits 63 bits of nanoseconds.")

_LAST: Final = 1_000
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_MODEL_FIELDS: Final = (Field.RESPONSE_MODEL, Field.MODEL, Field.REQUEST_MODEL)
_COST_FIELDS: Final = (Field.COST, Field.COST_DETAILS, Field.COST_INPUT, Field.COST_OUTPUT)


@dataclass(slots=True)
class Arrival:
    """One span as the store takes it."""

    trace_id: str
    span_id: str
    day: int
    parent_id: str | None
    name: str
    kind: str
    status: str
    start_ns: int
    duration_ns: int | None
    service: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    error: str | None
    resource_key: str
    raw: bytes
    session_id: str | None
    user_id: str | None
    provider: str | None
    emitted: Cost | None
    """What the emitter says that it cost."""

    cost: float | None = None
    """Filled in where the span is written: prices belong to a tenant."""

    currency: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether its end has not arrived."""
        return self.duration_ns is None


def problem_with(span: SpanMessage, now_ns: int) -> str | None:
    """Why a span cannot be stored, as a catalogue text; None where it can."""
    trace_id, span_id, start_ns = span.trace_id, span.span_id, span.start_time_unix_nano
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return BAD_TRACE_ID
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return BAD_SPAN_ID
    if len(span.parent_span_id) not in {0, 8}:
        return BAD_PARENT_ID
    if not now_ns - MAX_PAST_DAYS * DAY_NS <= start_ns <= now_ns + MAX_FUTURE_DAYS * DAY_NS:
        return BAD_START
    if span.end_time_unix_nano > MAX_NS:
        return BAD_END
    return None


def read_span(span: SpanMessage, service: str | None, resource_key: str) -> Arrival:
    """The columns of a span that `problem_with` found nothing wrong with."""
    values: dict[Field, Any] = {}
    ranks: dict[Field, int] = {}
    for pair in span.attributes:
        entry = COLUMN_FIELD_OF.get(pair.key)
        if entry is not None:
            field, rank = entry
            if rank < ranks.get(field, _LAST):
                value = pair.value
                values[field] = value.string_value or any_value(value)
                ranks[field] = rank
    tokens = _tokens(values)
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    parent = span.parent_span_id
    failed = span.status.code == StatusMessage.STATUS_CODE_ERROR or _is_error_level(values)
    running = end_ns == 0
    return Arrival(
        span.trace_id.hex(),
        span.span_id.hex(),
        start_ns // DAY_NS,
        parent.hex() if parent and parent != _NO_SPAN else None,
        _column_text(span.name, MAX_NAME) or "",
        kind_of(values).value,
        (Status.ERROR if failed else Status.RUNNING if running else Status.OK).value,
        start_ns,
        None if running else max(end_ns - start_ns, 0),
        service,
        _model(values),
        *tokens,
        error_line(span, values) if failed else None,
        resource_key,
        span.SerializeToString(),
        _label(values.get(Field.SESSION)),
        _label(values.get(Field.USER)),
        _provider(values),
        emitted_cost(values) if any(field in values for field in _COST_FIELDS) else None,
    )


def kind_of(values: dict[Field, Any]) -> SpanKind:
    """What a span does, from whichever words its emitter uses."""
    for field in KIND_ORDER:
        word = values.get(field)
        if word is None:
            continue
        if not isinstance(word, str) or word[:1] in JSON_STARTS:
            word = unwrapped(word)
        kind = KIND_WORDS[field].get(word.lower()) if isinstance(word, str) else None
        if kind is not None and kind is not SpanKind.OTHER:
            return kind
    if Field.TOOL_NAME in values:
        return SpanKind.TOOL
    if any(field in values for field in _MODEL_FIELDS) and says_usage(values):
        return SpanKind.LLM
    return SpanKind.OTHER


def error_line(span: SpanMessage, values: dict[Field, Any]) -> str:
    """The first line of what went wrong."""
    message = span.status.message or _exception_message(span) or plain_text(values.get(Field.ERROR_MESSAGE))
    message = message.strip() or plain_text(values.get(Field.ERROR_TYPE))
    return _column_text(message.partition("\n")[0], MAX_ERROR) or ""


def _tokens(values: dict[Field, Any]) -> tuple[int | None, int | None, int | None, int | None, int | None]:
    if not says_usage(values):
        return None, None, None, None, None
    given, made, read, written, reasoned = usage_counts(values).values()
    return given, made, read, written, reasoned


def _is_error_level(values: dict[Field, Any]) -> bool:
    level = values.get(Field.LEVEL)
    return level is not None and unwrapped(level) == "ERROR"


def _exception_message(span: SpanMessage) -> str:
    for event in span.events:
        if event.name == "exception":
            for pair in event.attributes:
                if pair.key == "exception.message":
                    return plain_text(any_value(pair.value))
    return ""


def _model(values: dict[Field, Any]) -> str | None:
    """The model that answered; the one that was asked for where that is all that is said."""
    for field in _MODEL_FIELDS:
        label = _label(values.get(field))
        if label:
            return label
    return None


def _provider(values: dict[Field, Any]) -> str | None:
    label = _label(values.get(Field.PROVIDER))
    if label is not None:
        return provider_name(label)
    label = _label(values.get(Field.MESSAGE_FORMAT))
    return None if label is None else provider_of_format(label)


def _label(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value[:1] in JSON_STARTS:
        value = plain_text(unwrapped(value))
    return _column_text(value, MAX_LABEL) or None


def _column_text(text: str, limit: int) -> str:
    """Text that both databases can hold: PostgreSQL has no NUL."""
    return text.replace("\x00", "\ufffd")[:limit] if "\x00" in text else text[:limit]
