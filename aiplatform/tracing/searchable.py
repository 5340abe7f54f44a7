"""What of a span can be found by its words: its name, all that went in and came out, and what went wrong.

Texts are collected wherever they stand inside a value, whatever its shape, so that a dialect nobody knows yet is found
too, and without building messages that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.tracing.remembered import remembered
from aiplatform.tracing.semconv import (
    CONTENT_EVENTS,
    FIELD_OF,
    INDEXED_DOCUMENTS,
    INDEXED_MESSAGES,
    MESSAGE_EVENTS,
    Field,
)
from aiplatform.tracing.values import JSON_STARTS, any_value, json_value, readable
from aiplatform.tracing.words import folded

MAX_CHARACTERS: Final = 100_000
"""Of one span that the index reads."""

MAX_DEPTH: Final = 32

_FIELDS: Final = frozenset(
    {
        Field.INPUT,
        Field.OUTPUT,
        Field.INPUT_MESSAGES,
        Field.OUTPUT_MESSAGES,
        Field.SYSTEM,
        Field.TOOL_NAME,
        Field.TOOL_ARGUMENTS,
        Field.TOOL_RESULT,
        Field.DOCUMENTS,
        Field.QUERY,
        Field.ERROR_TYPE,
        Field.ERROR_MESSAGE,
    }
)
_NAMES: Final = frozenset(name for name, (field, _) in FIELD_OF.items() if field in _FIELDS)
_PREFIXES: Final = (*(prefix for prefixes in INDEXED_MESSAGES.values() for prefix in prefixes), *INDEXED_DOCUMENTS)
_EVENTS: Final = frozenset({"exception", *CONTENT_EVENTS, *MESSAGE_EVENTS})
_STRUCTURE: Final = frozenset({"role", "type", "id", "finish_reason", "mime_type", "object", "call_id", "tool_call_id"})
"""Keys whose text is the shape of a conversation, not what was said."""

_STRUCTURE_ENDS: Final = tuple(f".{name}" for name in _STRUCTURE)


def searchable_text(raw: bytes) -> str:
    """The folded text of a raw span; equal texts stand in it once."""
    return text_of(SpanMessage.FromString(raw))


def text_of(span: SpanMessage) -> str:
    """The folded text of a span; equal texts stand in it once."""
    pieces = [span.name]
    for pair in span.attributes:
        if _is_read(pair.key):
            value = pair.value
            pieces.extend(_texts(value.string_value or any_value(value), 0))
    for event in span.events:
        if event.name in _EVENTS:
            for pair in event.attributes:
                pieces.extend(_texts(any_value(pair.value), 0))
    pieces.append(span.status.message)
    found = "\n".join(dict.fromkeys(piece for piece in pieces if piece))
    return folded(found[:MAX_CHARACTERS]).replace("\x00", " ")


@remembered
def _is_read(name: str) -> bool:
    return name in _NAMES or (name.startswith(_PREFIXES) and not name.endswith(_STRUCTURE_ENDS))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        decoded = _decoded(value) if value[:1] in JSON_STARTS and depth < MAX_DEPTH else value
        if isinstance(decoded, str):
            yield readable(decoded)
        else:
            yield from _texts(decoded, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _STRUCTURE or not isinstance(item, str):
                yield from _texts(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json_value(text)  # NaN, numbers beyond 64 bits, halves of a surrogate pair
    except (ValueError, RecursionError):
        return text
