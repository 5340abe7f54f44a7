"""Single conditions of a query: a name, how it is compared, and with what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiplatform.core.i18n import N_
from aiplatform.tracing.query import regex
from aiplatform.tracing.query.errors import QueryError
from aiplatform.tracing.query.fields import Field, Kind, field_of, fields_of, find, nearest
from aiplatform.tracing.query.tree import (
    Ago,
    Between,
    Compare,
    Exists,
    Instant,
    Name,
    Node,
    Not,
    OneOf,
    Op,
    Space,
    Value,
)
from aiplatform.tracing.query.values import NUMBER, is_day, read_length, read_value, storable

MAX_VALUES: Final = 200
_DAY_NS: Final = 86_400 * 10**9

_NAME: Final = re.compile(
    r'[A-Za-z_][A-Za-z0-9_]*(?:\.(?:"(?:[^"\\]|\\.)*"|[^\s:=<>!~()"\',\\\[\]]+))?', re.ASCII | re.DOTALL
)
_OPERATOR: Final = re.compile(r"\s*(=~|!~|>=|<=|!=|==|=|>|<|~|:(?!//))\s*")
_WORD_OPERATOR: Final = re.compile(r"\s+(not\s+in|in|like|exists)(?=[\s(\"')]|$)\s*", re.IGNORECASE)
_AFTER_COLON: Final = re.compile(r"(=~|!~|>=|<=|!=|=|>|<|~)\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_BARE: Final = re.compile(r"""[^\s"'()][^\s"()]*""")
_BARE_LISTED: Final = re.compile(r"""[^\s"'(),\[\]][^\s"(),\[\]]*""")
_EXPRESSION: Final = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_TO: Final = re.compile(r"\s+TO\s+", re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"\s*,\s*|\s+OR\s+|\s+")
_ORDERINGS: Final = frozenset({Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST})
_TEXTUAL: Final = frozenset({Op.CONTAINS, Op.MATCHES, Op.LIKE})
_YES: Final = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """A name and the operator after it."""

    written: str
    name: Name | None
    start: int
    operator: str
    end: int
    """Where the value begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """A value as it stands in the text."""

    text: str
    is_quoted: bool
    start: int
    end: int


class Conditions:
    """Reads single conditions from a place in a text; the parser adds what joins them."""

    def __init__(self, text: str) -> None:
        self.text = storable(text)
        self.place = 0
        self.in_span = False

    def is_done(self) -> bool:
        """Whether all is read."""
        return self.place >= len(self.text)

    def skip(self) -> None:
        """Go over white space."""
        while not self.is_done() and self.text[self.place].isspace():
            self.place += 1

    def peek(self, mark: str) -> bool:
        """Whether a mark stands here."""
        return self.text.startswith(mark, self.place)

    def head(self, place: int) -> _Head | None:
        """The beginning of a condition at a place; None where plain words stand there."""
        match = _NAME.match(self.text, place)
        if match is None:
            return None
        written = match[0]
        name = self._named(written)
        is_own = written.lower() in {"has", "since"}
        operator = _OPERATOR.match(self.text, match.end())
        if operator is not None and (name is not None or is_own or operator[1] != ":"):
            return _Head(written=written, name=name, start=place, operator=operator[1], end=operator.end())
        word = _WORD_OPERATOR.match(self.text, match.end())
        if word is not None and name is not None:
            spelt = " ".join(word[1].lower().split())
            return _Head(written=written, name=name, start=place, operator=spelt, end=word.end())
        return None

    def condition(self) -> Node | None:
        """The condition that stands here; None where plain words do."""
        head = self.head(self.place)
        if head is None:
            return None
        self.place = head.end
        if head.operator == ":" and head.written.lower() == "has":
            return self._has()
        if head.operator == ":" and head.written.lower() == "since" and not self.in_span:
            return Compare(Name(Space.FIELD, "start"), Op.AT_LEAST, self._since(head))
        if head.name is None:
            near = nearest(head.written, in_span=self.in_span)
            self.fail_unknown(head.written, near, head.start)
        return self._compared(head, head.name)

    def fail(self, message: str, *, start: int | None = None, end: int | None = None, **fields: Any) -> NoReturn:
        """Refuse the query, pointing at a part of it; by default at this place."""
        start = self.place if start is None else start
        end = start if end is None else end
        fields.setdefault("found", self.text[start:end])
        raise QueryError(message, source=self.text, start=start, end=end, **fields)

    def fail_unknown(self, written: str, near: str | None, start: int) -> NoReturn:
        """Refuse a name, and say what was perhaps meant."""
        fields = {"name": written, "reason": "query.unknown_field", "known": ", ".join(fields_of(self.in_span))}
        end = start + len(written)
        if near:
            self.fail(
                N_("There is no field {name!r} (column {column}). Did you mean {near!r}?"),
                start=start,
                end=end,
                near=near,
                **fields,
            )
        self.fail(
            N_("There is no field {name!r} (column {column}). There are {known}, attributes.…, metadata.…, score.…"),
            start=start,
            end=end,
            **fields,
        )

    def _named(self, written: str) -> Name | None:
        space, dot, rest = written.partition(".")
        if dot and rest.startswith('"'):
            return find(f"{space}.{_unescaped(rest[1:-1])}", in_span=self.in_span) if len(rest) > 2 else None
        return find(written, in_span=self.in_span)

    def _has(self) -> Node:
        match = _NAME.match(self.text, self.place)
        if match is None:
            self.fail(N_("The name of a field is missing (column {column})."))
        self.place = match.end()
        written = match[0].lower()
        if written in {"score", "scores"}:
            return Exists(Name(Space.SCORE, ""))
        if written in {"error", "errors"} and not self.in_span:
            return Compare(Name(Space.FIELD, "errors"), Op.ABOVE, 0)
        name = self._named(match[0])
        if name is None:
            self.fail_unknown(match[0], nearest(match[0], in_span=self.in_span), match.start())
        return Exists(name)

    def _since(self, head: _Head) -> Ago | Instant:
        raw = self._raw()
        try:
            value = read_value(fields_of(False)["start"], raw.text, is_quoted=raw.is_quoted)
            if isinstance(value, Ago | Instant):
                return value
        except (ValueError, OverflowError):
            pass
        try:
            return Ago(read_length(raw.text))
        except ValueError:
            self._refuse(head, raw, _WANTED[Kind.TIME])

    def _compared(self, head: _Head, name: Name) -> Node:
        field = field_of(name, in_span=self.in_span)
        match head.operator:
            case "exists":
                return Exists(name)
            case "in":
                return OneOf(name, self._set(head, field, name))
            case "not in":
                return Not(OneOf(name, self._set(head, field, name)))
            case ":":
                return self._after_colon(head, field, name)
            case "!~":
                return Not(self._simple(head, field, name, Op.CONTAINS))
            case "like":
                return self._simple(head, field, name, Op.LIKE)
            case "==":
                return self._simple(head, field, name, Op.EQUAL)
            case operator:
                return self._simple(head, field, name, Op(operator))

    def _after_colon(self, head: _Head, field: Field, name: Name) -> Node:
        compare = _AFTER_COLON.match(self.text, self.place)
        if compare is not None:
            self.place = compare.end()
            if compare[1] == "!~":
                return Not(self._simple(head, field, name, Op.CONTAINS))
            return self._simple(head, field, name, Op(compare[1]))
        if self.peek("["):
            return self._range(head, field, name)
        if self.peek("("):
            return OneOf(name, self._set(head, field, name))
        raw = self._raw()
        low, dots, high = raw.text.partition("..")
        is_range = dots and not raw.is_quoted and field.kind not in {Kind.TEXT, Kind.CHOICE}
        if is_range and (field.kind is not Kind.ANY or all(not end or NUMBER.fullmatch(end) for end in (low, high))):
            return self._between(head, field, name, *self._halves(raw, low, high))
        if not raw.is_quoted and "*" in raw.text and field.kind in {Kind.TEXT, Kind.ANY}:
            return Exists(name) if raw.text.strip("*") == "" else Compare(name, Op.LIKE, self._pattern(name, raw.text))
        if field.kind is Kind.TIME and is_day(raw.text):
            day = self._value(head, field, name, raw)
            if isinstance(day, Instant):
                return Between(name, day, Instant(day.ns + _DAY_NS - 1))
        if name == Name(Space.FIELD, "errors") and raw.text.lower() in _YES:
            return Compare(name, Op.ABOVE if _YES[raw.text.lower()] else Op.EQUAL, 0)
        value = self._value(head, field, name, raw)
        if field.kind in {Kind.DURATION, Kind.TIME}:
            return Compare(name, Op.AT_LEAST, value)
        return Compare(name, Op.CONTAINS if field.is_loose else Op.EQUAL, value)

    def _simple(self, head: _Head, field: Field, name: Name, op: Op) -> Compare:
        is_textual = field.kind in {Kind.TEXT, Kind.ANY}
        if (op in _TEXTUAL and not is_textual) or (op in _ORDERINGS and field.kind in {Kind.TEXT, Kind.CHOICE}):
            known = ": = != in" if field.kind is Kind.CHOICE else ": = != ~ =~ in" if is_textual else ": = != > >= < <="
            self.fail(
                N_("{name!r} is not compared by {operator} (column {column}). It takes {known}."),
                start=head.start,
                end=head.end,
                reason="query.operator",
                name=head.written,
                operator=head.operator,
                known=known,
            )
        if op is Op.MATCHES:
            return Compare(name, op, self._expression())
        raw = self._raw()
        if op is Op.CONTAINS:
            return Compare(name, op, raw.text)
        if op is Op.LIKE:
            return Compare(name, op, self._pattern(name, raw.text))
        value = self._value(head, field, name, raw)
        if op in _ORDERINGS and field.kind is Kind.ANY and isinstance(value, str):
            self._refuse(head, raw, _WANTED[Kind.NUMBER])
        return Compare(name, op, value)

    def _range(self, head: _Head, field: Field, name: Name) -> Node:
        start = self.place
        self.place += 1
        self.skip()
        low = self._raw(_BARE_LISTED)
        to = _TO.match(self.text, self.place)
        if to is None:
            self.fail(N_("A range is written [low TO high] (column {column})."), start=start, end=self.place)
        self.place = to.end()
        high = self._raw(_BARE_LISTED)
        self.skip()
        if not self.peek("]"):
            self.fail(N_("A range is written [low TO high] (column {column})."), start=start, end=self.place)
        self.place += 1
        return self._between(head, field, name, low, high)

    def _between(self, head: _Head, field: Field, name: Name, low: _Raw, high: _Raw) -> Node:
        """A range; `*` leaves an end open."""
        ends: list[Value | None] = []
        for raw in (low, high):
            is_open = not raw.is_quoted and raw.text == "*"
            value = None if is_open else self._value(head, field, name, raw)
            if field.kind in {Kind.TEXT, Kind.CHOICE} or isinstance(value, str):
                self._refuse(head, raw, _WANTED[Kind.NUMBER])
            ends.append(value)
        first, last = ends
        if first is None:
            return Exists(name) if last is None else Compare(name, Op.AT_MOST, last)
        if last is None:
            return Compare(name, Op.AT_LEAST, first)
        return Between(name, first, last)

    def _halves(self, raw: _Raw, low: str, high: str) -> tuple[_Raw, _Raw]:
        middle = raw.start + len(low)
        return (
            _Raw(text=low or "*", is_quoted=False, start=raw.start, end=middle),
            _Raw(text=high or "*", is_quoted=False, start=middle + 2, end=raw.end),
        )

    def _set(self, head: _Head, field: Field, name: Name) -> tuple[Value, ...]:
        self.skip()
        start = self.place
        if not self.peek("("):
            self.fail(N_("A set is written (one, two) (column {column})."), end=self.place + 1)
        self.place += 1
        self.skip()
        found: dict[tuple[type, Value], Value] = {}
        while not self.peek(")"):
            if self.is_done() or len(found) >= MAX_VALUES:
                self.fail(N_("This parenthesis is not closed (column {column})."), start=start, end=start + 1)
            value = self._value(head, field, name, self._raw(_BARE_LISTED))
            found.setdefault((type(value), value), value)
            separator = _SEPARATOR.match(self.text, self.place)
            self.place = separator.end() if separator is not None else self.place
        if not found:
            self.fail(N_("A set is written (one, two) (column {column})."), start=start, end=self.place + 1)
        self.place += 1
        return tuple(found.values())

    def _expression(self) -> str:
        start = self.place
        match = _EXPRESSION.match(self.text, self.place)
        if match is not None:
            self.place = match.end()
            pattern = match[1].replace("\\/", "/")
        else:
            raw = self._raw()
            pattern = raw.text
        try:
            regex.parse(pattern)
        except regex.ExpressionError as error:
            self.fail(
                N_("This is no regular expression that is known here (column {column}): {problem}."),
                start=start,
                end=self.place,
                reason="query.expression",
                problem=error.problem,
            )
        return pattern

    def _raw(self, bare: re.Pattern[str] = _BARE) -> _Raw:
        start = self.place
        quoted = _QUOTED.match(self.text, start)
        if quoted is not None:
            self.place = quoted.end()
            inner = quoted[1] if quoted[1] is not None else quoted[2]
            return _Raw(text=_unescaped(inner), is_quoted=True, start=start, end=self.place)
        if self.text[start : start + 1] in {'"', "'"}:
            self.fail(N_("This quotation is not closed (column {column})."), end=start + 1)
        match = bare.match(self.text, start)
        if match is None:
            self.fail(N_("A value is missing (column {column})."), end=start + 1)
        self.place = match.end()
        return _Raw(text=match[0], is_quoted=False, start=start, end=match.end())

    def _value(self, head: _Head, field: Field, name: Name, raw: _Raw) -> Value:
        try:
            value = read_value(field, raw.text, is_quoted=raw.is_quoted)
        except (ValueError, OverflowError):
            self._refuse(head, raw, _WANTED.get(field.kind, _REFUSED), choices=", ".join(field.choices))
        if name == Name(Space.FIELD, "trace") and isinstance(value, str):
            return _trace_id(value)
        return value

    @staticmethod
    def _pattern(name: Name, text: str) -> str:
        return _trace_id(text) if name == Name(Space.FIELD, "trace") else text

    def _refuse(self, head: _Head, raw: _Raw, message: str, **fields: Any) -> NoReturn:
        self.fail(
            message,
            start=head.start,
            end=raw.end,
            reason="query.value",
            name=head.written,
            value=raw.text,
            **fields,
        )


_WANTED: Final = {
    Kind.CHOICE: N_("{value!r} is no value of {name!r} (column {column}). There are {choices}."),
    Kind.NUMBER: N_("{value!r} is no value of {name!r} (column {column}): it takes a number."),
    Kind.DURATION: N_(
        "{value!r} is no value of {name!r} (column {column}): it takes a time such as 500ms, 2s, 1.5min."
    ),
    Kind.TIME: N_("{value!r} is no value of {name!r} (column {column}): it takes a time such as now-2h or 2026-11-20."),
}
_REFUSED: Final = N_("{value!r} is no value of {name!r} (column {column}).")


def _trace_id(value: str) -> str:
    return value.lower().removeprefix("tr-").replace("-", "")


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\"'\\])", r"\1", text)
