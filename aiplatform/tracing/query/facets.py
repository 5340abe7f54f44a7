"""Facets as parts of a query: which of its conditions belong to one, and the query with one choice more or less.

Several choices of one facet mean OR, and facets among each other AND. A facet owns the condition at the top of a query
that says, of its name and of no other, what the value is to be. What excludes values (NOT, `!=`), or is no value at
all (`~`, `like`), narrows like the conditions of other names and is no choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.tracing.query.tree import (
    Between,
    Compare,
    Every,
    Name,
    Node,
    OneOf,
    Op,
    Some,
    Value,
    every,
    parts_of,
    some,
    walk,
)

_ORDERINGS: Final = frozenset({Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """A query, taken apart for one facet."""

    before: tuple[Node, ...]
    chosen: tuple[Node, ...]
    """What is chosen, each for itself; empty where the facet narrows nothing."""

    after: tuple[Node, ...]

    @property
    def rest(self) -> Node | None:
        """The query without the facet's choices; None where nothing else stands there."""
        return joined((*self.before, *self.after))

    def toggled(self, choice: Node) -> Node | None:
        """The query with a choice more, or, where it is chosen, without it; None where nothing is left."""
        is_chosen = choice in self.chosen
        kept = [each for each in self.chosen if each != choice] if is_chosen else [*self.chosen, choice]
        return joined((*self.before, *_alternatives(kept), *self.after))


def divide(node: Node | None, name: Name) -> Division:
    """Take a query apart for the facet of a name."""
    parts = () if node is None else parts_of(node)
    own = [index for index, part in enumerate(parts) if _is_about(part, name)]
    if not own:
        return Division(before=tuple(parts), chosen=(), after=())
    first = own[0]
    # Two ends of a range stand side by side at the top, and are one choice. Other conditions of the same name that must
    # hold as well (`kind:llm kind:tool`) stay what they are.
    is_range = len(own) > 1 and all(_is_ordering(parts[index]) for index in own)
    taken = own if is_range else own[:1]
    after = tuple(part for index, part in enumerate(parts) if index > first and index not in taken)
    chosen = (every(parts[index] for index in own),) if is_range else _choices(parts[first])
    return Division(before=tuple(parts[:first]), chosen=chosen, after=after)


def names_chosen(node: Node | None) -> Sequence[Name]:
    """The names of which something is chosen, in their order."""
    found: dict[Name, None] = {}
    for part in () if node is None else parts_of(node):
        names = {each.name for each in walk(part) if isinstance(each, Compare | Between | OneOf)}
        if len(names) == 1 and _is_about(part, next(iter(names))):
            found.update(dict.fromkeys(names))
    return [*found]


def joined(parts: Iterable[Node]) -> Node | None:
    """All of some conditions; None where there are none."""
    found = tuple(parts)
    return every(found) if found else None


def _choices(part: Node) -> tuple[Node, ...]:
    match part:
        case OneOf(name=name, values=values):
            return tuple(Compare(name, Op.EQUAL, value) for value in values)
        case Some(of=several):
            return tuple(dict.fromkeys(choice for each in several for choice in _choices(each)))
        case _:
            return (part,)


def _alternatives(choices: Sequence[Node]) -> tuple[Node, ...]:
    """The one condition that says that some choice holds, or none."""
    if len(choices) < 2:
        return tuple(choices)
    values: list[Value] = []
    for choice in choices:
        if not isinstance(choice, Compare) or choice.op is not Op.EQUAL:
            return (some(choices),)
        values.append(choice.value)
    first = choices[0]
    return (OneOf(first.name, tuple(values)),) if isinstance(first, Compare) else (some(choices),)


def _is_about(part: Node, name: Name) -> bool:
    """Whether a condition says what a name's value is to be, and nothing else."""
    match part:
        case Compare(name=own, op=op):
            return own == name and (op is Op.EQUAL or op in _ORDERINGS)
        case Between(name=own) | OneOf(name=own):
            return own == name
        case Some(of=several) | Every(of=several):
            return all(_is_about(each, name) for each in several)
        case _:
            return False


def _is_ordering(part: Node) -> bool:
    return isinstance(part, Compare) and part.op in _ORDERINGS
