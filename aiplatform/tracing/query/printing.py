"""A query as text again: what is printed is read back as the same tree."""

from __future__ import annotations

import re
from typing import Final

from aiplatform.tracing.query.tree import (
    Ago,
    Between,
    Compare,
    Duration,
    Every,
    Exists,
    Instant,
    Name,
    Node,
    Not,
    OneOf,
    Op,
    Some,
    Space,
    Span,
    Value,
    Words,
)
from aiplatform.tracing.query.values import NUMBER, length_text, moment_text

_PLAIN_NAME: Final = re.compile(r"[^\s:=<>!~()\"',.\\\[\]]+(?:\.[^\s:=<>!~()\"',.\\\[\]]+)*")

_BARE_VALUE: Final = re.compile(r"[^\s\"'()\[\],*\\<>=!~:/.]+(?:\.?[^\s\"'()\[\],*\\<>=!~.]+)*")

_LOOSE: Final = frozenset({Name(Space.FIELD, "name"), Name(Space.FIELD, "error")})
"""Fields after which a colon means that the value occurs, not that it is all."""

_LENGTHS: Final = (Duration, Ago, Instant)
"""Values before which a colon means `>=`."""

_JOINING: Final = frozenset({"and", "or", "not", "to", "in", "like", "exists", "under", "child"})


def show(node: Node) -> str:
    """The query that means a tree."""
    match node:
        case Every(of=several):
            return " AND ".join(_inside(each) if isinstance(each, Every | Some) else show(each) for each in several)
        case Some(of=several):
            return " OR ".join(_inside(each) if isinstance(each, Some) else show(each) for each in several)
        case Not(of=inner):
            # Words side by side are one condition, but not after NOT, which takes the first of them.
            is_several = isinstance(inner, Every | Some) or (isinstance(inner, Words) and len(inner.terms) > 1)
            return f"NOT {_inside(inner) if is_several else show(inner)}"
        case Words():
            return node.text
        case Span():
            return _span(node)
        case Exists(name=Name(space=Space.FIELD, name=name)):
            return f"has:{name}" if name != "errors" else "errors exists"  # has:errors asks for more than none
        case Exists(name=Name(space=Space.SCORE, name="")):
            return "has:score"
        case Exists(name=name):
            return f"{show_name(name)} exists"
        case Compare(name=name, op=Op.LIKE, value=value):
            return f"{show_name(name)} like {show_value(value)}"
        case Compare(name=name, op=op, value=value):
            return f"{show_name(name)} {op} {show_value(value)}"
        case Between(name=name, low=low, high=high):
            return f"{show_name(name)}:[{show_value(low)} TO {show_value(high)}]"
        case OneOf(name=name, values=values):
            return f"{show_name(name)} in ({', '.join(show_value(value) for value in values)})"


def typed(node: Node) -> str:
    """The same as somebody would type it: `status:error duration >= 1s` for `status = "error" AND duration >= 1s`."""
    match node:
        case Every(of=several):
            return " ".join(f"({typed(each)})" if isinstance(each, Every | Some) else typed(each) for each in several)
        case Some(of=several):
            return " OR ".join(f"({typed(each)})" if isinstance(each, Some) else typed(each) for each in several)
        case Compare(name=name, op=Op.EQUAL, value=value) if name not in _LOOSE and not isinstance(value, _LENGTHS):
            return f"{show_name(name)}:{_typed_value(value)}"
        case OneOf(name=name, values=values):
            return f"{show_name(name)}:({', '.join(_typed_value(value) for value in values)})"
        case _:
            return show(node)


def show_name(name: Name) -> str:
    """A name as it is written."""
    if name.space is Space.FIELD:
        return name.name
    plain = _PLAIN_NAME.fullmatch(name.name)
    return f"{name.space}.{name.name if plain else quoted(name.name)}"


def show_value(value: Value) -> str:
    """A value as it is written."""
    match value:
        case bool():
            return quoted(str(value).lower())
        case Duration(ns=ns):
            return length_text(ns)
        case Ago(ns=ns):
            return f"now-{length_text(ns)}" if ns else "now"
        case Instant(ns=ns):
            return moment_text(ns)
        case int() | float():
            return repr(value)
        case str():
            return quoted(value)


def bare(value: str) -> str:
    """A text as it may stand after a colon: in quotes only where it must."""
    if re.fullmatch(r"[^\s\"'()\[\],*\\<>=!~:/.]+(?:\.?[^\s\"'()\[\],*\\<>=!~.]+)*", value) and not NUMBER.fullmatch(
        value
    ):
        return value
    return quoted(value)


def quoted(value: str) -> str:
    """A text in double quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _typed_value(value: Value) -> str:
    is_plain = isinstance(value, str) and value.lower() not in _JOINING
    return bare(value) if isinstance(value, str) and is_plain else show_value(value)


def _inside(node: Node) -> str:
    return f"({show(node)})"


def _span(node: Span) -> str:
    text = f"span({show(node.where)})"
    if node.other is None:
        return text
    return f"{text} {node.relation} {_span(node.other)}"
