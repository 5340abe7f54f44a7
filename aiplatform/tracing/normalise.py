"""A raw span read into the one vocabulary, when somebody opens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.tracing.arrival import usage_counts
from aiplatform.tracing.messages import looks_like_messages, read_messages, unflatten
from aiplatform.tracing.model import (
    Message,
    Part,
    Passage,
    SpanDetail,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanRow,
    ToolCall,
)
from aiplatform.tracing.model import Usage as UsageValue
from aiplatform.tracing.passages import read_passages
from aiplatform.tracing.semconv import (
    CONTENT_EVENTS,
    FIELD_OF,
    FINISH_REASONS,
    INDEXED_MESSAGES,
    MESSAGE_EVENTS,
    METADATA_PREFIXES,
    OPERATION_OF_KIND,
    PARAMETER_PREFIXES,
    PROVIDER_NAMES,
    TAG_PREFIXES,
    Field,
)
from aiplatform.tracing.values import attributes, number_or_none, plain_text, unwrapped

_MODEL_KINDS: Final = frozenset({SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.AGENT, SpanKind.CHAIN, SpanKind.PROMPT})
_PASSAGE_KINDS: Final = frozenset({SpanKind.RETRIEVER, SpanKind.RERANKER})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A span's parts as Python values, looked at by several functions."""

    kind: SpanKind
    attributes: Mapping[str, Any]
    values: Mapping[Field, Any]
    events: Sequence[SpanEvent]

    def text(self, field: Field) -> str | None:
        """One text field; None where nobody said."""
        value = unwrapped(self.values.get(field))
        return plain_text(value) or None if value is not None else None


def read_detail(row: SpanRow, raw: bytes, *, resource: bytes, scope: bytes) -> SpanDetail:
    """Everything that a stored span says.

    Args:
        row: Its columns.
        raw: `opentelemetry.proto.trace.v1.Span`, as it came.
        resource: The `Resource` that sent it.
        scope: The `InstrumentationScope` that made it.
    """
    span = SpanMessage.FromString(raw)
    named = attributes(span.attributes)
    read = _Read(kind=row.kind, attributes=named, values=field_values(named), events=_events(span))
    instrumentation = InstrumentationScope.FromString(scope)
    input_messages, output_messages = _messages(read)
    error_type, error_message, error_stack = _error(read, span)
    provider = read.text(Field.PROVIDER)
    return SpanDetail(
        row=row,
        operation=read.text(Field.OPERATION) or OPERATION_OF_KIND.get(row.kind),
        provider=PROVIDER_NAMES.get(provider.lower(), provider.lower()) if provider else None,
        request_model=read.text(Field.REQUEST_MODEL),
        response_model=read.text(Field.RESPONSE_MODEL),
        response_id=read.text(Field.RESPONSE_ID),
        parameters=_parameters(read),
        input=unwrapped(read.values.get(Field.INPUT)),
        output=unwrapped(read.values.get(Field.OUTPUT)),
        input_messages=tuple(input_messages),
        output_messages=tuple(output_messages),
        tool_definitions=_tool_definitions(read),
        tool_call=_tool_call(read),
        passages=_passages(read),
        usage=_usage(read),
        finish_reasons=_finish_reasons(read, output_messages),
        time_to_first_chunk_ns=_first_chunk_ns(read),
        error_type=error_type,
        error_message=error_message,
        error_stack=error_stack,
        session_id=read.text(Field.SESSION),
        user_id=read.text(Field.USER),
        tags=tags_of(named),
        metadata=metadata_of(named),
        prompt_name=read.text(Field.PROMPT_NAME),
        prompt_version=read.text(Field.PROMPT_VERSION),
        attributes=named,
        resource=attributes(Resource.FromString(resource).attributes),
        scope_name=instrumentation.name or None,
        scope_version=instrumentation.version or None,
        events=read.events,
        links=_links(span),
        num_dropped_attributes=span.dropped_attributes_count,
    )


def field_values(named: Mapping[str, Any]) -> dict[Field, Any]:
    """What each field says: of several names for one thing, the most trusted one."""
    best: dict[Field, tuple[int, Any]] = {}
    for name, value in named.items():
        entry = FIELD_OF.get(name)
        if entry is not None and value is not None:
            field, rank = entry
            if field not in best or rank < best[field][0]:
                best[field] = (rank, value)
    return {field: value for field, (_, value) in best.items()}


def _events(span: SpanMessage) -> tuple[SpanEvent, ...]:
    return tuple(
        SpanEvent(name=event.name, time_ns=event.time_unix_nano, attributes=attributes(event.attributes))
        for event in span.events
    )


def _links(span: SpanMessage) -> tuple[SpanLink, ...]:
    return tuple(
        SpanLink(trace_id=link.trace_id.hex(), span_id=link.span_id.hex(), attributes=attributes(link.attributes))
        for link in span.links
    )


def _messages(read: _Read) -> tuple[list[Message], list[Message]]:
    before = _side(read, Field.INPUT_MESSAGES, Field.INPUT, "user")
    after = _side(read, Field.OUTPUT_MESSAGES, Field.OUTPUT, "assistant")
    from_events, choices = _event_messages(read)
    before = before or from_events
    after = after or choices
    system = unwrapped(read.values.get(Field.SYSTEM))
    if system and not any(message.role == "system" for message in before):
        parts = {"role": "system", "content": system} if isinstance(system, list) else None
        said = read_messages(parts, "system") if parts else read_messages(system, "system")
        before = [*said, *before]
    return before, after


def _side(read: _Read, messages: Field, plain: Field, role: str) -> list[Message]:
    if messages in read.values:
        return read_messages(read.values[messages], role)
    for prefix in INDEXED_MESSAGES[messages]:
        found = read_messages(unflatten(read.attributes, prefix), role)
        if found:
            return found
    if read.kind not in _MODEL_KINDS:
        return []
    value = unwrapped(read.values.get(plain))
    if looks_like_messages(value):
        return read_messages(value, role)
    return [Message(role=role, parts=(Part(type="text", text=value),))] if (
        isinstance(value, str) and value and read.kind is SpanKind.LLM
    ) else []  # fmt: skip


def _event_messages(read: _Read) -> tuple[list[Message], list[Message]]:
    sides: dict[str, list[Message]] = {"input": [], "output": []}
    for event in read.events:
        if event.name in CONTENT_EVENTS:
            attribute, side = CONTENT_EVENTS[event.name]
            sides[side].extend(
                read_messages(event.attributes.get(attribute), "user" if side == "input" else "assistant")
            )
        elif event.name in MESSAGE_EVENTS:
            role = MESSAGE_EVENTS[event.name]
            body = {name: unwrapped(value) for name, value in event.attributes.items()}
            inner = body.get("message")
            item = {"role": role, **body, **(inner if isinstance(inner, dict) else {})}
            sides["output" if event.name == "gen_ai.choice" else "input"].extend(read_messages(item, role))
    return sides["input"], sides["output"]


def _parameters(read: _Read) -> dict[str, Any]:
    mapping = unwrapped(read.values.get(Field.PARAMETERS))
    found = dict(mapping) if isinstance(mapping, dict) else {}
    for name, value in read.attributes.items():
        for prefix in PARAMETER_PREFIXES:
            if name.startswith(prefix) and name not in FIELD_OF:
                found.setdefault(name[len(prefix) :], value)
    found.pop("model", None)
    return found


def _tool_definitions(read: _Read) -> tuple[Any, ...]:
    value = unwrapped(read.values.get(Field.TOOL_DEFINITIONS))
    if isinstance(value, list):
        return tuple(unwrapped(item) for item in value)
    return tuple(
        unwrapped(tool.get("tool.json_schema", tool.get("tool", tool)) if isinstance(tool, dict) else tool)
        for tool in unflatten(read.attributes, "llm.tools.")
    )


def _tool_call(read: _Read) -> ToolCall | None:
    name = read.text(Field.TOOL_NAME)
    if name is None and read.kind is not SpanKind.TOOL:
        return None
    arguments, result = read.values.get(Field.TOOL_ARGUMENTS), read.values.get(Field.TOOL_RESULT)
    return ToolCall(
        name=name,
        call_id=read.text(Field.TOOL_CALL_ID),
        arguments=unwrapped(read.values.get(Field.INPUT) if arguments is None else arguments),
        result=unwrapped(read.values.get(Field.OUTPUT) if result is None else result),
    )


def _passages(read: _Read) -> tuple[Passage, ...]:
    output = read.values.get(Field.OUTPUT) if read.kind in _PASSAGE_KINDS else None
    return read_passages(read.attributes, read.values.get(Field.DOCUMENTS), output)


def _usage(read: _Read) -> UsageValue:
    counts = usage_counts(dict(read.values))
    return UsageValue(**{field.value: count for field, count in counts.items()})


def _finish_reasons(read: _Read, output: Sequence[Message]) -> tuple[str, ...]:
    value = unwrapped(read.values.get(Field.FINISH_REASONS))
    if value is None:
        said = [message.finish_reason for message in output if message.finish_reason]
    else:
        said = [plain_text(item) for item in value] if isinstance(value, list) else [plain_text(value)]
    return tuple(FINISH_REASONS.get(reason, reason) for reason in said if reason)


def _first_chunk_ns(read: _Read) -> int | None:
    seconds = number_or_none(read.values.get(Field.FIRST_CHUNK))
    return int(seconds * 1e9) if seconds is not None and 0 <= seconds < 1e9 else None


def _error(read: _Read, span: SpanMessage) -> tuple[str | None, str | None, str | None]:
    raised = next((event.attributes for event in read.events if event.name == "exception"), {})

    def said(name: str) -> str | None:
        return plain_text(raised.get(name)) or None

    type_ = read.text(Field.ERROR_TYPE) or said("exception.type")
    message = said("exception.message") or span.status.message or read.text(Field.ERROR_MESSAGE)
    return type_, message or None, said("exception.stacktrace")


def tags_of(named: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags among a span's attributes, in every form that emitters send."""
    value = unwrapped(field_values(named).get(Field.TAGS))
    found = [plain_text(item) for item in value] if isinstance(value, list) else []
    if isinstance(value, str):
        found = [item.strip() for item in value.split(",")]
    for name, item in named.items():
        for prefix in TAG_PREFIXES:
            if name.startswith(prefix):
                found.append(f"{name[len(prefix) :]}:{plain_text(unwrapped(item))}")
    return tuple(dict.fromkeys(tag for tag in found if tag))


def metadata_of(named: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata among a span's attributes, in every form that emitters send."""
    mapping = unwrapped(field_values(named).get(Field.METADATA))
    found = dict(mapping) if isinstance(mapping, dict) else {}
    for name, value in named.items():
        for prefix in METADATA_PREFIXES:
            if name.startswith(prefix):
                found.setdefault(name[len(prefix) :], unwrapped(value))
    return found
