"""MLflow's `filter_string` for traces, read into the same tree.

    filter    = condition {"AND" condition}
    condition = name compare value | name ["NOT"] "IN" "(" value {"," value} ")" | name "IS" ["NOT"] "NULL"
    compare   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "LIKE" | "ILIKE" | "RLIKE"

Names: `trace.status`, `trace.name`, `trace.timestamp_ms`, `trace.execution_time_ms`, `trace.trace_id`, `trace.text`;
`attributes.` or nothing instead of `trace.`; `tag.…`, `metadata.…` (`request_metadata.…`), `feedback.…` and
`expectation.…`; `span.name`, `span.type`, `span.status`, `span.content`, `span.attributes.…`. As in MLflow each
condition on spans may be met by another span. Texts of `trace.text` and `span.content` are looked for word by word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiplatform.core.i18n import N_
from aiplatform.tracing.model import SpanKind, Status
from aiplatform.tracing.query import regex
from aiplatform.tracing.query.errors import QueryError
from aiplatform.tracing.query.parser import MAX_CHARACTERS, MAX_CONDITIONS
from aiplatform.tracing.query.tree import (
    TAG,
    Between,
    Compare,
    Duration,
    Exists,
    Instant,
    Name,
    Node,
    Not,
    OneOf,
    Op,
    Space,
    Span,
    Value,
    Words,
    every,
)
from aiplatform.tracing.query.values import NUMBER, storable

_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.(?:`[^`]+`|\"[^\"]+\"|[\w\-/]+))*")
_COMPARE: Final = re.compile(
    r"\s*(>=|<=|!=|=|>|<|(?:LIKE|ILIKE|RLIKE|NOT\s+IN|IN|IS\s+NOT\s+NULL|IS\s+NULL)\b)\s*", re.IGNORECASE
)
_VALUE: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([-+\w.]+)", re.DOTALL)
_AND: Final = re.compile(r"\s*AND\b\s*", re.IGNORECASE)
_MS_NS: Final = 10**6
_TRACE_WORDS: Final = {"trace", "traces", "attribute", "attributes", "attr"}
_SPACES: Final = {
    "tag": "tag", "tags": "tag", "metadata": "metadata", "request_metadata": "metadata", "trace_metadata": "metadata",
    "feedback": "score", "expectation": "score", "assessment": "score",
}  # fmt: skip
_TEXT_FIELDS: Final = {"name": "name", "trace_id": "trace", "request_id": "trace", "id": "trace"}
_TIMES: Final[dict[str, tuple[str, type[Instant] | type[Duration]]]] = {
    "timestamp": ("start", Instant), "timestamp_ms": ("start", Instant),
    "execution_time": ("duration", Duration), "execution_time_ms": ("duration", Duration),
}  # fmt: skip
_METADATA_FIELDS: Final = {
    "mlflow.trace.session": "session", "mlflow.trace.user": "user", "mlflow.traceName": "name",
}  # fmt: skip
_STATUS: Final = {
    "OK": Status.OK, "ERROR": Status.ERROR, "IN_PROGRESS": Status.RUNNING, "UNSET": Status.OK,
}  # fmt: skip
_KINDS: Final = {
    "CHAT_MODEL": SpanKind.LLM,
    "PARSER": SpanKind.CHAIN,
    "WORKFLOW": SpanKind.CHAIN,
    "TASK": SpanKind.CHAIN,
}
_KNOWN: Final = (
    "trace.status", "trace.name", "trace.timestamp_ms", "trace.execution_time_ms", "trace.trace_id", "trace.text",
    "tag.…", "metadata.…", "feedback.…", "span.name", "span.type", "span.status", "span.content", "span.attributes.…",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """One condition as it stands in the text."""

    name: str
    op: str
    values: tuple[str, ...]
    numbers: tuple[bool, ...]
    """Whether each value was written as a number."""

    start: int
    end: int


def from_mlflow(text: str) -> Node | None:
    """The tree of a `filter_string`; None where it is empty.

    Raises:
        QueryError: It cannot be understood; the error names the column.
    """
    return _Reader(text).node()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = storable(text)
        self.place = 0
        if len(text) > MAX_CHARACTERS:
            self.fail(
                N_("A query may have {limit} characters; this one has {size}."), 0, 0,
                reason="query.too_long", limit=MAX_CHARACTERS, size=len(text), hint=N_("Ask for less at once."),
            )  # fmt: skip

    def node(self) -> Node | None:
        self._skip()
        if self.place >= len(self.text):
            return None
        nodes = [self._node(self._condition())]
        while joint := _AND.match(self.text, self.place):
            self.place = joint.end()
            if len(nodes) >= MAX_CONDITIONS:
                self.fail(N_("A query may have {limit} conditions (column {column})."), limit=MAX_CONDITIONS)
            nodes.append(self._node(self._condition()))
        self._skip()
        if self.place < len(self.text):
            self.fail(N_("{found!r} does not belong here (column {column})."), end=self.place + 1)
        return every(nodes)

    def fail(self, message: str, start: int | None = None, end: int | None = None, **fields: Any) -> NoReturn:
        start = self.place if start is None else start
        end = start if end is None else end
        raise QueryError(message, source=self.text, start=start, end=end, found=self.text[start:end], **fields)

    def _skip(self) -> None:
        while self.text[self.place : self.place + 1].isspace():
            self.place += 1

    def _condition(self) -> _Condition:
        self._skip()
        start = self.place
        name = _NAME.match(self.text, start)
        if name is None:
            self.fail(N_("The name of a field is missing (column {column})."), end=start + 1)
        compare = _COMPARE.match(self.text, name.end())
        if compare is None:
            self.place = name.end()
            self.fail(N_("A comparison such as = or LIKE is missing (column {column})."), end=self.place + 1)
        self.place = compare.end()
        op = " ".join(compare[1].upper().split())
        found = [] if op.startswith("IS") else self._list() if op.endswith("IN") else [self._value()]
        return _Condition(
            name=re.sub(r"[`\"]", "", name[0]), op=op, values=tuple(text for text, _ in found),
            numbers=tuple(is_number for _, is_number in found), start=start, end=self.place,
        )  # fmt: skip

    def _list(self) -> list[tuple[str, bool]]:
        if self.text[self.place : self.place + 1] != "(":
            self.fail(N_("A set is written (one, two) (column {column})."), end=self.place + 1)
        self.place += 1
        found: list[tuple[str, bool]] = []
        while True:
            self._skip()
            found.append(self._value())
            self._skip()
            sign = self.text[self.place : self.place + 1]
            if sign not in {",", ")"}:
                self.fail(N_("A set is written (one, two) (column {column})."), end=self.place + 1)
            self.place += 1
            if sign == ")":
                return found

    def _value(self) -> tuple[str, bool]:
        match = _VALUE.match(self.text, self.place)
        if match is None:
            self.fail(N_("A value is missing (column {column})."), end=self.place + 1)
        self.place = match.end()
        if match[3] is not None:
            if not NUMBER.fullmatch(match[3]) and match[3].lower() not in {"true", "false"}:
                self.fail(N_("Texts stand in single quotes (column {column})."), match.start(), match.end())
            return match[3], bool(NUMBER.fullmatch(match[3]))
        inner = match[1].replace("''", "'") if match[1] is not None else match[2]
        return re.sub(r"\\(['\"\\])", r"\1", inner), False

    def _node(self, of: _Condition) -> Node:
        space, dot, rest = of.name.partition(".")
        if space.lower() == "span" and dot:
            return self._of_span(of, rest)
        if dot and space.lower() in _SPACES:
            return self._own(of, _SPACES[space.lower()], rest)
        name = rest if dot and space.lower() in _TRACE_WORDS else of.name
        if name in _TIMES:
            return self._time(of, *_TIMES[name])
        if name == "status":
            return self._choice(of, "status", self._status)
        if name == "text":
            return self._words(of)
        if name in _TEXT_FIELDS:
            return self._compared(of, Name(Space.FIELD, _TEXT_FIELDS[name]))
        raise self._unknown(of)

    def _of_span(self, of: _Condition, rest: str) -> Node:
        space, dot, name = rest.partition(".")
        match space.lower():
            case "attributes" | "attribute" if dot:
                return self._compared(of, Name(Space.ATTRIBUTES, name))
            case "name" if not dot:
                return Span(self._compared(of, Name(Space.FIELD, "name")))
            case "status" if not dot:
                return Span(self._choice(of, "status", self._status))
            case "type" if not dot:
                return Span(self._choice(of, "kind", self._kind))
            case "content" if not dot:
                return self._words(of)
        raise self._unknown(of)

    def _own(self, of: _Condition, space: str, name: str) -> Node:
        if name in _METADATA_FIELDS and space != "score":
            return self._compared(of, Name(Space.FIELD, _METADATA_FIELDS[name]))
        if space == "tag":
            return self._tag(of, name)
        return self._compared(of, Name(Space(space), name))

    def _tag(self, of: _Condition, key: str) -> Node:
        """A tag with a value is written `key:value` here."""
        starts = f"^{_escaped(f'{key}:')}"
        has = Compare(TAG, Op.MATCHES, starts)
        match of.op:
            case "=" | "IN":
                return OneOf(TAG, tuple(f"{key}:{value}" for value in of.values))
            case "!=" | "NOT IN":
                return every([has, Not(OneOf(TAG, tuple(f"{key}:{value}" for value in of.values)))])
            case "IS NOT NULL":
                return has
            case "IS NULL":
                return Not(has)
            case "LIKE" | "ILIKE":
                return Compare(TAG, Op.MATCHES, _like(of.values[0], of.op, before=f"{key}:"))
        raise self._unfit(of)

    def _compared(self, of: _Condition, name: Name) -> Node:
        values = tuple(
            self._typed(name, text, is_number) for text, is_number in zip(of.values, of.numbers, strict=True)
        )
        match of.op:
            case "IN":
                return OneOf(name, values)
            case "NOT IN":
                return every([Exists(name), Not(OneOf(name, values))])
            case "IS NULL":
                return Not(Exists(name))
            case "IS NOT NULL":
                return Exists(name)
            case "LIKE" | "ILIKE":
                return self._expression(of, name, _like(of.values[0], of.op))
            case "RLIKE":
                return self._expression(of, name, of.values[0])
            case ">" | ">=" | "<" | "<=" if name.space is Space.FIELD or isinstance(values[0], str):
                raise self._unfit(of)
            case op:
                return Compare(name, Op(op), values[0])

    def _expression(self, of: _Condition, name: Name, pattern: str) -> Node:
        try:
            regex.parse(pattern)
        except regex.ExpressionError as error:
            self.fail(
                N_("This is no regular expression that is known here (column {column}): {problem}."),
                of.start, of.end, reason="query.expression", problem=error.problem,
            )  # fmt: skip
        return Compare(name, Op.MATCHES, pattern)

    def _typed(self, name: Name, text: str, is_number: bool) -> Value:
        if is_number and name.space is not Space.FIELD:
            return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text)
        return text.lower().removeprefix("tr-").replace("-", "") if name == Name(Space.FIELD, "trace") else text

    def _choice(self, of: _Condition, field: str, read: Callable[[_Condition, str], str]) -> Node:
        name = Name(Space.FIELD, field)
        values = tuple(dict.fromkeys(read(of, text) for text in of.values))
        match of.op:
            case "=" | "IN":
                return OneOf(name, values) if len(values) > 1 else Compare(name, Op.EQUAL, values[0])
            case "!=" | "NOT IN":
                return Not(OneOf(name, values)) if len(values) > 1 else Not(Compare(name, Op.EQUAL, values[0]))
        raise self._unfit(of)

    def _status(self, of: _Condition, text: str) -> str:
        status = _STATUS.get(text.upper())
        if status is None:
            self.fail(
                N_("{value!r} is no value of {name!r} (column {column}). There are {choices}."), of.start, of.end,
                reason="query.value", value=text, name=of.name, choices=", ".join(_STATUS),
            )  # fmt: skip
        return str(status)

    def _kind(self, _of: _Condition, text: str) -> str:
        lowered = text.lower()
        own = SpanKind(lowered) if lowered in set(SpanKind) else SpanKind.OTHER
        return str(_KINDS.get(text.upper(), own))

    def _time(self, of: _Condition, field: str, kind: type[Instant] | type[Duration]) -> Node:
        """Whole milliseconds against nanoseconds: one millisecond is all the nanoseconds within it."""
        if not of.numbers or not all(of.numbers) or of.op not in {"=", "!=", ">", ">=", "<", "<="}:
            raise self._unfit(of)
        name = Name(Space.FIELD, field)
        first = int(float(of.values[0])) * _MS_NS
        last = first + _MS_NS - 1
        match of.op:
            case "=":
                return Between(name, kind(first), kind(last))
            case "!=":
                return Not(Between(name, kind(first), kind(last)))
            case ">" | "<=":
                return Compare(name, Op(of.op), kind(last))
            case op:
                return Compare(name, Op(op), kind(first))

    def _words(self, of: _Condition) -> Node:
        if of.op not in {"LIKE", "ILIKE", "="}:
            raise self._unfit(of)
        pieces = [piece.strip() for piece in re.split(r"[%\"]+", of.values[0]) if piece.strip()]
        if not pieces:
            raise self._unfit(of)
        return Words(tuple(f'"{piece}"' for piece in pieces))

    def _unfit(self, of: _Condition) -> QueryError:
        return QueryError(
            N_("{name!r} cannot be compared so (column {column})."), source=self.text, start=of.start, end=of.end,
            reason="query.operator", name=of.name,
        )  # fmt: skip

    def _unknown(self, of: _Condition) -> QueryError:
        return QueryError(
            N_("There is no field {name!r} (column {column}). There are {known}."), source=self.text, start=of.start,
            end=of.start + len(of.name), reason="query.unknown_field", name=of.name, known=", ".join(_KNOWN),
        )  # fmt: skip


def _like(pattern: str, op: str, *, before: str = "") -> str:
    """SQL's LIKE as a regular expression; only ILIKE ignores the case."""
    body = "".join(".*" if each == "%" else "." if each == "_" else _escaped(each) for each in pattern)
    return f"{'(?i)' if op == 'ILIKE' else ''}^{_escaped(before)}{body}$"


def _escaped(text: str) -> str:
    return re.sub(r"[\\^$.|*+?()\[\]{}]", r"\\\g<0>", text)
