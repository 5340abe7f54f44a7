"""A line of what went in and a line of what came out, for lists: cheap enough for the write path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.tracing.content_model import Message
from aiplatform.tracing.messages import read_messages, unflatten
from aiplatform.tracing.model import PREVIEW_CHARACTERS
from aiplatform.tracing.semconv import CONTENT_EVENTS, FIELD_OF, INDEXED_MESSAGES, MESSAGE_EVENTS, Field
from aiplatform.tracing.values import any_value, attributes, plain_text, readable, unwrapped

MAX_PARSED: Final = 65_536
_INPUT_FIELDS: Final = (Field.INPUT_MESSAGES, Field.INPUT, Field.TOOL_ARGUMENTS, Field.QUERY)
_OUTPUT_FIELDS: Final = (Field.OUTPUT_MESSAGES, Field.OUTPUT, Field.TOOL_RESULT)
_WANTED: Final = {
    name: found for name, found in FIELD_OF.items() if found[0] in _INPUT_FIELDS or found[0] in _OUTPUT_FIELDS
}
_INPUT_PREFIXES: Final = INDEXED_MESSAGES[Field.INPUT_MESSAGES]
_OUTPUT_PREFIXES: Final = INDEXED_MESSAGES[Field.OUTPUT_MESSAGES]
_EVENTS: Final = frozenset({*CONTENT_EVENTS, *MESSAGE_EVENTS})
_PREFIXES: Final = (*_INPUT_PREFIXES, *_OUTPUT_PREFIXES)
_TELLING_KEYS: Final = (
    "question", "query", "prompt", "input", "text", "content", "answer", "output", "result", "response",
)  # fmt: skip


def previews(raw: bytes) -> tuple[str | None, str | None]:
    """At most 300 characters of a span's input and of its output; None where it has none."""
    found: dict[Field, tuple[int, Any]] = {}
    flat: dict[str, Any] = {}
    span = SpanMessage.FromString(raw)
    for pair in span.attributes:
        key = pair.key
        entry = _WANTED.get(key)
        if entry is not None:
            field, rank = entry
            if field not in found or rank < found[field][0]:
                found[field] = (rank, pair.value)
        elif key.startswith(_PREFIXES):
            flat[key] = any_value(pair.value)
    shown_in = _side(found, flat, _INPUT_FIELDS, _INPUT_PREFIXES, "user")
    shown_out = _side(found, flat, _OUTPUT_FIELDS, _OUTPUT_PREFIXES, "assistant")
    if span.events and not (shown_in and shown_out):
        sides = _event_messages((event.name, event.attributes) for event in span.events if event.name in _EVENTS)
        shown_in = shown_in or _said(sides[0], "user")
        shown_out = shown_out or _said(sides[1], "assistant")
    return shown_in, shown_out


def _event_messages(
    events: Iterable[tuple[str, Iterable[KeyValue]]],
) -> tuple[list[Message], list[Message]]:
    """The messages that a span's events are, of its input and of its output."""
    sides: dict[str, list[Message]] = {"input": [], "output": []}
    for name, pairs in events:
        said = attributes(pairs)
        if name in CONTENT_EVENTS:
            attribute, side = CONTENT_EVENTS[name]
            sides[side].extend(read_messages(said.get(attribute), "user" if side == "input" else "assistant"))
        else:
            role = MESSAGE_EVENTS[name]
            inner = unwrapped(said.get("message"))
            item = {"role": role, **said, **(inner if isinstance(inner, dict) else {})}
            sides["output" if name == "gen_ai.choice" else "input"].extend(read_messages(item, role))
    return sides["input"], sides["output"]


def headline(value: Any, role: str) -> str:
    """The telling text of a value: the last message of `role`, the one text argument, else the value itself."""
    if isinstance(value, str):
        if len(value) > MAX_PARSED:
            return readable(value[: PREVIEW_CHARACTERS * 2])
        value = unwrapped(value)
    if isinstance(value, dict | list):
        messages = read_messages(value, role)
        if messages:
            return _last(messages, role)
    if isinstance(value, dict):
        for key in _TELLING_KEYS:
            if isinstance(value.get(key), str):
                return headline(value[key], role)
        if len(value) == 1:
            return headline(next(iter(value.values())), role)
    return plain_text(value)


def _last(messages: list[Message], role: str) -> str:
    chosen = next((message for message in reversed(messages) if message.role == role and message.text), None)
    chosen = chosen or next((message for message in reversed(messages) if message.text), messages[-1])
    if chosen.text:
        return chosen.text
    return ", ".join(
        f"{part.tool_name}({plain_text(part.data)})" if part.type == "tool_call" else plain_text(part.data)
        for part in chosen.parts
    )


def _side(
    found: dict[Field, tuple[int, Any]],
    flat: dict[str, Any],
    fields: tuple[Field, ...],
    prefixes: tuple[str, ...],
    role: str,
) -> str | None:
    for field in fields:
        if field in found:
            text = headline(any_value(found[field][1]), role)
            if text:
                return _shortened(text)
    for prefix in prefixes:
        messages = read_messages(unflatten(flat, prefix), role) if flat else []
        if messages:
            return _shortened(_last(messages, role))
    return None


def _said(messages: list[Message], role: str) -> str | None:
    return _shortened(_last(messages, role)) if messages else None


def _shortened(text: str) -> str | None:
    line = " ".join(text[: PREVIEW_CHARACTERS * 4].split()).replace("\x00", "�")
    return (line if len(line) <= PREVIEW_CHARACTERS else line[: PREVIEW_CHARACTERS - 1] + "…") or None
