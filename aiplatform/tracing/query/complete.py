"""What could be written next at a place of a query: which part is being typed, and which known words begin like it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.query.fields import SPACES, Kind, field_of, fields_of, find
from aiplatform.tracing.query.printing import bare, show_name
from aiplatform.tracing.query.tree import Name, Space

_VALUE: Final = re.compile(
    r"""(?:^|[\s(-])
    (?P<name>[A-Za-z_]\w*(?:\.(?:"(?:[^"\\]|\\.)*"|[^\s:=<>!~()"',\\\[\]]+))?)
    (?:\s*(?::(?!//)|==|!=|=)\s*|\s+(?:not\s+)?in\s*\((?:[^()]*,)?\s*)
    (?P<typed>"[^"]*|[^\s"(),]*)$""",
    re.VERBOSE | re.IGNORECASE,
)
_NAME: Final = re.compile(r'[A-Za-z_]\w*(?:\.(?:"[^"]*|[^\s:=<>!~()"\',\\\[\]]*))?$')
_HINTS: Final = {
    "has:": N_("there is one: has:session"),
    "since:": N_("begun within a time: since:2h"),
    "span(": N_("one span that meets all conditions: span(kind:tool status:error)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is being typed."""

    start: int
    end: int
    """The part of the line that a suggestion replaces."""

    typed: str
    """What stands there, without quotes."""

    in_span: bool
    name: Name | None = None
    """The name whose value is typed; None where a name itself is."""

    space: Space | None = None
    """The space whose names are typed: `attributes.`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One way to go on."""

    text: str
    """What is to be put in place of what was typed."""

    what: str = ""
    """What it means, to be translated; empty where the text says it itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Ways to go on, the likeliest first."""

    start: int
    end: int
    items: tuple[Suggestion, ...]


def place_of(text: str, at: int) -> Place | None:
    """What is being typed at a place; None where nothing can be suggested, such as in a phrase."""
    before = text[:at]
    in_span = _in_span(before)
    value = _VALUE.search(before)
    if value is not None:
        name = _name(value["name"], in_span)
        typed = value["typed"]
        if name is None:
            is_has = value["name"].lower() == "has"
            return Place(start=at - len(typed), end=at, typed=typed, in_span=in_span) if is_has else None
        return Place(start=at - len(typed), end=at, typed=typed.removeprefix('"'), in_span=in_span, name=name)
    if before.count('"') % 2 and not re.search(r'\."[^"]*$', before):
        return None
    match = _NAME.search(before)
    written = match[0] if match is not None else ""
    start = at - len(written)
    if start and not (text[start - 1].isspace() or text[start - 1] in "(-"):
        return None
    space, dot, rest = written.partition(".")
    if dot:
        known = SPACES.get(space.lower())
        found = known and Place(start=start, end=at, typed=rest.strip('"'), in_span=in_span, space=known[0])
        return found or None
    return Place(start=start, end=at, typed=written, in_span=in_span)


def names_at(place: Place, *, after_has: bool = False) -> list[Suggestion]:
    """The fields that begin like what was typed."""
    found = [Suggestion(text=name if after_has else f"{name}:", what=field.what)
             for name, field in fields_of(place.in_span).items()]  # fmt: skip
    found += [Suggestion(text=f"{space}.", what=what) for space, (_, what) in SPACES.items()]
    if not after_has:
        hints = _HINTS if not place.in_span else {"has:": _HINTS["has:"]}
        found += [Suggestion(text=text, what=what) for text, what in hints.items()]
    typed = place.typed.lower()
    return [each for each in found if each.text.startswith(typed)]


def own_names(space: Space, names: Iterable[str]) -> list[Suggestion]:
    """Names of attributes, keys of metadata or scores as they are written."""
    return [Suggestion(text=show_name(Name(space, name))) for name in names]


def own_values(values: Iterable[str]) -> list[Suggestion]:
    """Values as they are written."""
    return [Suggestion(text=bare(value)) for value in dict.fromkeys(values)]


def choices_at(place: Place) -> list[Suggestion] | None:
    """The values that a field can have, where they are known beforehand."""
    if place.name is None:
        return None
    field = field_of(place.name, in_span=place.in_span)
    if field.kind is Kind.CHOICE:
        return [Suggestion(text=choice) for choice in field.choices if choice.startswith(place.typed.lower())]
    if field.kind in {Kind.NUMBER, Kind.DURATION, Kind.TIME}:
        return []
    return None


def _name(written: str, in_span: bool) -> Name | None:
    space, dot, rest = written.partition(".")
    return find(f"{space}.{rest.strip(chr(34))}" if dot else written, in_span=in_span)


def _in_span(before: str) -> bool:
    start = before.lower().rfind("span(")
    if start < 0:
        return False
    rest = before[start + len("span(") :]
    return rest.count("(") >= rest.count(")")
