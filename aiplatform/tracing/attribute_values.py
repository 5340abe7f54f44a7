"""What of a span's attributes conditions can ask for: each name with its values, typed and cut to a bounded size.

What went in and came out is found by its words; of such attributes only the name is kept. A resource is shared by very
many spans: its values are kept once, and each span has one value that stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.scope import Scope
from aiplatform.tracing.normalise import metadata_of, tags_of
from aiplatform.tracing.query.tree import MAX_TEXT, Space
from aiplatform.tracing.query.values import NUMBER, storable
from aiplatform.tracing.semconv import FIELD_OF, INDEXED_DOCUMENTS, INDEXED_MESSAGES, Field
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


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """One value of one name."""

    name: str
    """With its space: `attributes.http.status_code`, `metadata.region`, `tag`."""

    text: str | None
    """None where only the name is known."""

    number: float | None
    """Where the value is a number, or text that reads as one."""

    def value_id(self, scope: Scope) -> int:
        """A number for it that is the same in every process, and another one in every project."""
        parts = (scope.tenant_id, scope.project_id or "", self.name, "" if self.text is None else f"={self.text}")
        digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def attribute_values(span: SpanMessage) -> list[AttributeValue]:
    """The values of a span, each once, at most 200."""
    named = attributes(span.attributes)
    found: dict[AttributeValue, None] = {}
    for value in _all(named):
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
    for name, value in named.items():
        indexed = name_in_index(Space.ATTRIBUTES, name)
        if name in _CONTENT_NAMES or name.startswith(_CONTENT_PREFIXES):
            yield AttributeValue(indexed, None, None)
        else:
            yield from _values(indexed, value)
    for key, value in metadata_of(named).items():
        yield from _values(name_in_index(Space.METADATA, key), value)
    for tag in tags_of(named):
        yield from _values(TAG_NAME, tag)


def _values(name: str, value: Any, depth: int = 0) -> Iterator[AttributeValue]:
    if isinstance(value, str) and value[:1] == '"':
        value = unwrapped(value)  # some emitters write every value as JSON
    match value:
        case None:
            yield AttributeValue(name, None, None)
        case list():
            for item in value:
                yield from _values(name, item, depth)
        case dict() if depth < 8:
            for key, item in value.items():
                yield from _values(_clean(f"{name}.{key}", MAX_NAME), item, depth + 1)
        case bool():
            yield AttributeValue(name, str(value).lower(), None)
        case int() | float():
            text = repr(value)
            yield AttributeValue(name, text[:MAX_TEXT], _number(text))
        case _:
            text = str(value)
            yield AttributeValue(name, _clean(text, MAX_TEXT), _number(text))


def _number(text: str) -> float | None:
    if len(text) > MAX_NUMBER or not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) != float("inf") else None


def _clean(text: str, size: int) -> str:
    return storable(text[:size])
