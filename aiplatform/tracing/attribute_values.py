"""What of a span's attributes conditions can ask for: each name with its values, typed and cut to a bounded size.

What went in and came out is found by its words; of such attributes only the name is kept. A resource is shared by very
many spans: its values are kept once, and each span has one value that stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.scope import Scope
from aiplatform.tracing.normalise import metadata_of, tags_of
from aiplatform.tracing.query.tree import MAX_TEXT, Space
from aiplatform.tracing.query.values import NUMBER, storable
from aiplatform.tracing.remembered import remembered
from aiplatform.tracing.semconv import (
    FIELD_OF,
    INDEXED_DOCUMENTS,
    INDEXED_MESSAGES,
    METADATA_PREFIXES,
    TAG_PREFIXES,
    Field,
)
from aiplatform.tracing.values import attributes, unwrapped

MAX_VALUES: Final = 200
"""Values of one span that are indexed."""

MAX_NAME: Final = 200
MAX_NUMBER: Final = 40
"""Characters of a text that may still be a number."""

TAG_NAME: Final = "tag"
_RESOURCE_MARK: Final = "@resource"
"""Name of the value that stands for a whole resource; no name that is written begins so."""

_CONTENT: Final = frozenset(
    {
        Field.INPUT,
        Field.OUTPUT,
        Field.INPUT_MESSAGES,
        Field.OUTPUT_MESSAGES,
        Field.SYSTEM,
        Field.TOOL_ARGUMENTS,
        Field.TOOL_RESULT,
        Field.TOOL_DEFINITIONS,
        Field.DOCUMENTS,
        Field.METADATA,
    }
)
_CONTENT_NAMES: Final = frozenset(name for name, (field, _) in FIELD_OF.items() if field in _CONTENT)
_CONTENT_PREFIXES: Final = (
    *(prefix for prefixes in INDEXED_MESSAGES.values() for prefix in prefixes),
    *INDEXED_DOCUMENTS,
)
_MARK_NAMES: Final = frozenset(name for name, (field, _) in FIELD_OF.items() if field in {Field.TAGS, Field.METADATA})
_MARK_PREFIXES: Final = (*METADATA_PREFIXES, *TAG_PREFIXES)


class AttributeValue(NamedTuple):
    """One value of one name."""

    name: str
    """With its space: `attributes.http.status_code`, `metadata.region`, `tag`."""

    text: str | None
    """None where only the name is known."""

    number: float | None
    """Where the value is a number, or text that reads as one."""

    def value_id(self, scope: Scope) -> int:
        """A number for it that is the same in every process, and another one in every project."""
        return _value_id(self.name, self.text, scope.tenant_id, scope.project_id or "")


def attribute_values(span: SpanMessage) -> list[AttributeValue]:
    """The values of a span, each once, at most 200."""
    found: dict[AttributeValue, None] = {}
    for value in _all(attributes(span.attributes)):
        found[value] = None
        if len(found) >= MAX_VALUES:
            break
    return list(found)


def resource_values(resource: bytes) -> list[AttributeValue]:
    """The values of a `Resource`, each once, at most 200."""
    found: dict[AttributeValue, None] = {}
    for name, value in attributes(Resource.FromString(resource).attributes).items():
        found.update(dict.fromkeys(_values(name_in_index(Space.RESOURCE, name), value)))
    return list(found)[:MAX_VALUES]


def resource_mark(resource_key: str) -> AttributeValue:
    """The one value that a span has of its resource, by which the resource's own values lead to it."""
    return AttributeValue(_RESOURCE_MARK, resource_key, None)


def name_in_index(space: Space, name: str) -> str:
    """A name as the index holds it."""
    return _clean(TAG_NAME if space is Space.FIELD else f"{space}.{name}", MAX_NAME)


def _all(named: Mapping[str, Any]) -> Iterator[AttributeValue]:
    has_marks = False
    for name, value in named.items():
        indexed, is_content, is_mark = _attribute(name)
        has_marks = has_marks or is_mark
        if is_content:
            yield AttributeValue(indexed, None, None)
        else:
            yield from _values(indexed, value)
    if has_marks:
        for key, value in metadata_of(named).items():
            yield from _values(name_in_index(Space.METADATA, key), value)
        for tag in tags_of(named):
            yield from _values(TAG_NAME, tag)


@remembered
def _attribute(name: str) -> tuple[str, bool, bool]:
    """An attribute's name in the index, whether it holds content, and whether it may hold tags or metadata."""
    return (
        name_in_index(Space.ATTRIBUTES, name),
        name in _CONTENT_NAMES or name.startswith(_CONTENT_PREFIXES),
        name in _MARK_NAMES or name.startswith(_MARK_PREFIXES),
    )


def _values(name: str, value: Any, depth: int = 0) -> Iterator[AttributeValue]:
    if isinstance(value, str) and value[:1] == '"':
        value = unwrapped(value)  # some emitters write every value as JSON
    match value:
        case str():
            yield _text_value(value, name)
        case bool():
            yield AttributeValue(name, str(value).lower(), None)
        case int() | float():
            yield _text_value(repr(value), name)
        case None:
            yield AttributeValue(name, None, None)
        case list():
            for item in value:
                yield from _values(name, item, depth)
        case dict() if depth < 8:
            for key, item in value.items():
                yield from _values(_clean(f"{name}.{key}", MAX_NAME), item, depth + 1)
        case _:
            yield _text_value(str(value), name)


@remembered
def _text_value(text: str, name: str) -> AttributeValue:
    return AttributeValue(name, _clean(text, MAX_TEXT), _number(text))


@remembered
def _value_id(name: str, text: str | None, tenant_id: str, project_id: str) -> int:
    parts = (tenant_id, project_id, name, "" if text is None else f"={text}")
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big", signed=True)


def _number(text: str) -> float | None:
    if len(text) > MAX_NUMBER or not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) != float("inf") else None


def _clean(text: str, size: int) -> str:
    return storable(text[:size])
