"""What a query means: a tree of conditions, the same whichever language it was written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_TEXT: Final = 256
"""Characters of an attribute's value that the index keeps, and that conditions see."""


class Space(StrEnum):
    """Where a name belongs."""

    FIELD = "field"
    """A field that every trace or span has."""

    ATTRIBUTES = "attributes"
    METADATA = "metadata"
    RESOURCE = "resource"
    """An attribute of what sent a span: its service, its host, its process."""

    SCORE = "score"


INDEXED_SPACES: Final = frozenset({Space.ATTRIBUTES, Space.METADATA, Space.RESOURCE})


class Op(StrEnum):
    """How a value is compared. Each holds only where there is a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    CONTAINS = "~"
    """Holds the text somewhere; ASCII letters in either case."""

    MATCHES = "=~"
    """A regular expression finds something in it."""

    LIKE = ":"
    """The whole value fits a pattern in which `*` stands for anything; ASCII letters in either case."""


class Relation(StrEnum):
    """Where a span stands to another one of its trace."""

    UNDER = "under"
    CHILD_OF = "child of"


@dataclass(frozen=True, slots=True)
class Name:
    """A field, or an attribute, a key of metadata, a score by its own name."""

    space: Space
    name: str


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time."""

    ns: int


@dataclass(frozen=True, slots=True)
class Ago:
    """A moment so long before the question is asked."""

    ns: int


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, in nanoseconds since 1970."""

    ns: int


Value = str | int | float | bool | Duration | Ago | Instant
"""Text that was quoted or is no number is `str`; a number is `int` or `float`."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A value against another."""

    name: Name
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class Between:
    """A value within two limits, both of which belong to it."""

    name: Name
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that is one of several."""

    name: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value at all."""

    name: Name


@dataclass(frozen=True, slots=True)
class Words:
    """Terms that all occur in what one span says: plain words, and phrases in their double quotes."""

    terms: tuple[str, ...]

    @property
    def text(self) -> str:
        """The terms as the text index reads them."""
        return " ".join(self.terms)


@dataclass(frozen=True, slots=True)
class Span:
    """Some span for which all of `where` holds at once, standing to another such span in a relation."""

    where: Node
    relation: Relation | None = None
    other: Span | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; true too where there is no value."""

    of: Node


@dataclass(frozen=True, slots=True)
class Every:
    """All of them; made by `every`."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them; made by `some`."""

    of: tuple[Node, ...]


Node = Compare | Between | OneOf | Exists | Words | Span | Not | Every | Some


def every(nodes: Iterable[Node]) -> Node:
    """All of some conditions. Plain words side by side are looked for in one span, so they become one condition."""
    parts: list[Node] = []
    terms: list[str] = []
    place = 0
    for node in _flat(nodes, Every):
        if isinstance(node, Words):
            place = place if terms else len(parts)
            terms.extend(node.terms)
        else:
            parts.append(node)
    if terms:
        parts.insert(place, Words(tuple(terms)))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def some(nodes: Iterable[Node]) -> Node:
    """At least one of some conditions."""
    parts = tuple(_flat(nodes, Some))
    return parts[0] if len(parts) == 1 else Some(parts)


def parts_of(node: Node) -> tuple[Node, ...]:
    """The conditions that a query joins with AND at its top."""
    return node.of if isinstance(node, Every) else (node,)


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    match node:
        case Not(of=inner):
            yield from walk(inner)
        case Every(of=several) | Some(of=several):
            for each in several:
                yield from walk(each)
        case Span(where=where, other=other):
            yield from walk(where)
            if other is not None:
                yield from walk(other)


def uses_index(node: Node) -> bool:
    """Whether the answer depends on what is indexed behind the write: words, attributes, metadata, resources."""
    return any(isinstance(each, Words) or _is_indexed(each) for each in walk(node))


def _is_indexed(node: Node) -> bool:
    if not isinstance(node, Compare | Between | OneOf | Exists):
        return False
    return node.name.space in INDEXED_SPACES or node.name == TAG


TAG: Final = Name(Space.FIELD, "tag")


def _flat(nodes: Iterable[Node], kind: type[Every] | type[Some]) -> Iterator[Node]:
    for node in nodes:
        if isinstance(node, kind):
            yield from node.of
        else:
            yield node
