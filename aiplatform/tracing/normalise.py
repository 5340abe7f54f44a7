"""A raw span read into the one vocabulary, when somebody opens it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.tracing.content_model import Message, Part, Passage, ToolCall
from aiplatform.tracing.dialects import dialect_of
from aiplatform.tracing.messages import looks_like_messages, read_messages, unflatten
from aiplatform.tracing.model import SpanDetail, SpanEvent, SpanKind, SpanLink, SpanRow
from aiplatform.tracing.model import Usage as UsageValue
from aiplatform.tracing.passages import read_passages
from aiplatform.tracing.semconv import (
    CONTENT_EVENTS,
    FIELD_OF,
    INDEXED_MESSAGES,
    MESSAGE_EVENTS,
    METADATA_PREFIXES,
    OPERATION_OF_KIND,
    PARAMETER_PREFIXES,
    TAG_PREFIXES,
    Field,
    finish_reason,
    provider_name,
    provider_of_format,
)
from aiplatform.tracing.usage import usage_counts
from aiplatform.tracing.values import attributes, number_or_none, plain_text, unwrapped

_MODEL_KINDS: Final = frozenset({SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.AGENT, SpanKind.CHAIN, SpanKind.PROMPT})
_CLASS_PATH: Final = re.compile(r"^(?:[a-z_]\w*\.)+(?:\w+\.)*([A-Z]\w*)$")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    prompt_name, prompt_version = _prompt(read)
    request_model, response_model = _models(read)
    return SpanDetail(
        row=row,
        dialect=dialect_of(named),
        operation=read.text(Field.OPERATION) or OPERATION_OF_KIND.get(row.kind),
        provider=_provider(read),
        request_model=request_model,
        response_model=response_model,
        response_id=read.text(Field.RESPONSE_ID),
        parameters=_parameters(read),
        input=_input(read),
        output=unwrapped(read.values.get(Field.OUTPUT)),
        input_messages=tuple(input_messages),
        output_messages=tuple(output_messages),
        tool_definitions=_tool_definitions(read),
        tool_call=_tool_call(read),
        passages=_passages(read),
        usage=_usage(read),
        finish_reasons=_finish_reasons(read, output_messages),
        time_to_first_chunk_ns=_first_chunk_ns(read, span.start_time_unix_nano),
        error_type=error_type,
        error_message=error_message,
        error_stack=error_stack,
        session_id=read.text(Field.SESSION),
        user_id=read.text(Field.USER),
        tags=tags_of(named),
        metadata=metadata_of(named),
        prompt_name=prompt_name,
        prompt_version=prompt_version,
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


def _provider(read: _Read) -> str | None:
    said = read.text(Field.PROVIDER)
    if said is not None:
        return provider_name(said)
    told_by_format = read.text(Field.MESSAGE_FORMAT)
    return None if told_by_format is None else provider_of_format(told_by_format)


def _models(read: _Read) -> tuple[str | None, str | None]:
    """The model that was asked for, and the one that answered."""
    asked, answered, either = (read.text(field) for field in (Field.REQUEST_MODEL, Field.RESPONSE_MODEL, Field.MODEL))
    for holder in (Field.PARAMETERS, Field.INPUT):
        request = unwrapped(read.values.get(holder)) if asked is None else None
        if isinstance(request, dict) and isinstance(request.get("model"), str):
            asked = request["model"] or None
    if asked is None:
        return either, answered
    return asked, answered or either


def _messages(read: _Read) -> tuple[list[Message], list[Message]]:
    before = _side(read, Field.INPUT_MESSAGES, Field.INPUT, "user")
    if read.kind is SpanKind.EMBEDDING:
        return [], []  # what is embedded is no conversation: it stands in `input`
    after = _side(read, Field.OUTPUT_MESSAGES, Field.OUTPUT, "assistant")
    from_events, choices = _event_messages(read)
    before = before or from_events
    after = _with_calls(after or choices, read)
    system = unwrapped(read.values.get(Field.SYSTEM))
    if system and not any(message.role == "system" for message in before):
        parts = {"role": "system", "content": system} if isinstance(system, list) else None
        said = read_messages(parts, "system") if parts else read_messages(system, "system")
        before = [*said, *before]
    return before, after


def _input(read: _Read) -> Any:
    """What went in; of an embedding its texts, where they came as a message."""
    found = unwrapped(read.values.get(Field.INPUT))
    if found is None and read.kind is SpanKind.EMBEDDING:
        return "\n".join(message.text for message in _side(read, Field.INPUT_MESSAGES, Field.INPUT, "user")) or None
    return found


def _with_calls(messages: list[Message], read: _Read) -> list[Message]:
    """The answer with the calls that a dialect keeps apart from it."""
    calls = read_messages(
        {"role": "assistant", "tool_calls": unwrapped(read.values.get(Field.TOOL_CALLS))}, "assistant"
    )
    parts = [part for call in calls for part in call.parts]
    if not parts or any(part.type == "tool_call" for message in messages for part in message.parts):
        return messages
    if messages and messages[-1].role == "assistant":
        return [*messages[:-1], replace(messages[-1], parts=(*messages[-1].parts, *parts))]
    return [*messages, Message(role="assistant", parts=tuple(parts))]


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
    name = name or read.text(Field.ENTITY_NAME)
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
    counts = usage_counts(read.values)
    return UsageValue(**{field.value: count for field, count in counts.items()})


def _finish_reasons(read: _Read, output: Sequence[Message]) -> tuple[str, ...]:
    value = unwrapped(read.values.get(Field.FINISH_REASONS))
    if value is None:
        said = [message.finish_reason for message in output if message.finish_reason] or _response_end(read)
    else:
        said = [plain_text(item) for item in value] if isinstance(value, list) else [plain_text(value)]
    return tuple(finish_reason(reason) for reason in said if reason)


def _response_end(read: _Read) -> list[str | None]:
    """Why an answer of OpenAI's Responses API ended: it says so by a status, not by a reason."""
    answer = unwrapped(read.values.get(Field.OUTPUT))
    if not isinstance(answer, dict) or answer.get("object") != "response":
        return []
    items = answer.get("output")
    if isinstance(items, list) and any(
        isinstance(item, dict) and item.get("type") == "function_call" for item in items
    ):
        return ["tool_calls"]
    details = answer.get("incomplete_details")
    if isinstance(details, dict) and details.get("reason"):
        return [plain_text(details["reason"])]
    return ["stop"] if answer.get("status") == "completed" else []


def _first_chunk_ns(read: _Read, start_ns: int) -> int | None:
    """Time to the first piece of a stream, from seconds, milliseconds, or the moment it came."""
    seconds = number_or_none(read.values.get(Field.FIRST_CHUNK))
    if seconds is None:
        milliseconds = number_or_none(read.values.get(Field.FIRST_CHUNK_MS))
        seconds = None if milliseconds is None else milliseconds / 1e3
    if seconds is None:
        moment = _moment_ns(unwrapped(read.values.get(Field.FIRST_CHUNK_AT)))
        return None if moment is None or moment < start_ns else moment - start_ns
    return int(seconds * 1e9) if 0 <= seconds < 1e9 else None


def _moment_ns(text: Any) -> int | None:
    """Nanoseconds since 1970 of an ISO 8601 moment; one without a zone is UTC. None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _prompt(read: _Read) -> tuple[str | None, str | None]:
    """Name and version of the prompt that was used; of several linked ones the first."""
    linked = unwrapped(read.values.get(Field.PROMPTS))
    first = linked[0] if isinstance(linked, list) and linked and isinstance(linked[0], dict) else {}
    name = read.text(Field.PROMPT_NAME) or plain_text(first.get("name")) or None
    return name, read.text(Field.PROMPT_VERSION) or plain_text(first.get("version")) or None


def _error(read: _Read, span: SpanMessage) -> tuple[str | None, str | None, str | None]:
    raised = next((event.attributes for event in read.events if event.name == "exception"), {})

    def said(name: str) -> str | None:
        return plain_text(raised.get(name)) or None

    type_ = said("exception.type") or read.text(Field.ERROR_TYPE)
    if type_ is not None:
        # Half of the emitters write where a class lives, the other half do not: `openai.APIConnectionError`.
        type_ = _CLASS_PATH.sub(r"\1", type_)
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
