"""The query line of traces: `status:error duration>2s "cannot open"` as a filter, and back.

Conditions are joined by AND; words outside of conditions are searched in names, inputs, outputs and errors.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.model import SpanKind, Status, TraceFilter

_TOKEN: Final = re.compile(
    r"(?P<field>[A-Za-z_]+)\s*(?P<operator>:|>=|<=|!=|=|>|<)\s*(?!//)(?P<value>\"[^\"]*\"|[^\s\"]+)"
    r"|\"(?P<quoted>[^\"]*)\"?"
    r"|(?P<word>\S+)"
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|min|h)?", re.IGNORECASE)
_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition as it stands in the line."""

    field: str
    """Empty for words that are searched."""

    operator: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A line that was understood."""

    text: str
    conditions: tuple[Condition, ...]
    where: TraceFilter

    def value(self, field: str) -> str | None:
        """The value that a field is narrowed to; None where it is not."""
        return next((each.value for each in self.conditions if each.field == field), None)

    def without(self, condition: Condition) -> str:
        """The line without one of its conditions."""
        return " ".join((self.text[: condition.start] + self.text[condition.end :]).split())

    def narrowed(self, field: str, value: str | None) -> str:
        """The line with a field set to a value, or with the field taken out."""
        line = self.text
        for condition in reversed([each for each in self.conditions if each.field == field]):
            line = line[: condition.start] + line[condition.end :]
        line = " ".join(line.split())
        if value is None:
            return line
        return f"{line} {field}:{_quoted(value)}".strip()


class QueryError(InvalidError):
    """A line that cannot be understood; it knows where."""

    code = "query.invalid"

    @property
    def span(self) -> tuple[int, int]:
        """First and last column of what is wrong, counted from 0."""
        return self.fields["start"], self.fields["end"]


FIELDS: Final[dict[str, str]] = {
    "status": N_("ok, error or running"),
    "kind": N_("kind of a span inside: llm, tool, retriever, agent …"),
    "model": N_("model that was called"),
    "service": N_("service that sent it"),
    "session": N_("session id"),
    "user": N_("user id"),
    "name": N_("name of the root span"),
    "trace": N_("trace id"),
    "duration": N_("longer than: duration>2s"),
    "errors": N_("with errors: errors>0"),
}


Kind = TypeVar("Kind", bound=StrEnum)


def parse(text: str) -> Query:
    """What the line asks for.

    Raises:
        QueryError: A field is unknown or a value is wrong; the error names its column.
    """
    conditions: list[Condition] = []
    words: list[str] = []
    where = TraceFilter()
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if match["field"] is not None:
            condition = Condition(
                field=match["field"].lower(),
                operator=match["operator"],
                value=match["value"].strip('"'),
                start=start,
                end=end,
            )
            where = _narrow(where, condition)
            conditions.append(condition)
            continue
        word = match["quoted"] if match["quoted"] is not None else match["word"]
        if word.lower() != "and" and word:
            words.append(f'"{word}"' if match["quoted"] is not None else word)
            conditions.append(Condition(field="", operator="", value=word, start=start, end=end))
    return Query(text=text, conditions=tuple(conditions), where=replace(where, text=" ".join(words) or None))


def api_line(where: TraceFilter) -> str:
    """The filter as a line that the API and the command line read."""
    pairs = (
        ("trace_id", where.trace_id),
        ("name", where.name),
        ("status", where.status),
        ("kind", where.kind),
        ("model", where.model),
        ("service", where.service),
        ("session", where.session_id),
        ("user", where.user_id),
        ("errors", None if where.has_errors is None else ("yes" if where.has_errors else "no")),
        ("duration", None if where.min_duration_ns is None else f"{where.min_duration_ns}ns"),
    )
    words = [f"{name}:{_quoted(str(value))}" for name, value in pairs if value is not None]
    return " ".join([*words, *([where.text] if where.text else [])])


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value


def _narrow(where: TraceFilter, condition: Condition) -> TraceFilter:
    reader = _READERS.get(condition.field)
    if reader is None:
        near = difflib.get_close_matches(condition.field, FIELDS, n=1)
        raise QueryError(
            N_("Column {column}: there is no field {name!r}."),
            hint=N_("Did you mean {near}?") if near else N_("Fields are {known}."),
            reason="query.unknown_field",
            column=condition.start + 1,
            name=condition.field,
            near=near[0] if near else "",
            known=", ".join(FIELDS),
            start=condition.start,
            end=condition.start + len(condition.field),
        )
    return reader(where, condition)


def _text(field: str) -> Callable[[TraceFilter, Condition], TraceFilter]:
    def read(where: TraceFilter, condition: Condition) -> TraceFilter:
        _require(condition, ":", "=")
        changes: dict[str, Any] = {field: condition.value}
        return replace(where, **changes)

    return read


def _status(where: TraceFilter, condition: Condition) -> TraceFilter:
    _require(condition, ":", "=")
    return replace(where, status=_member(Status, condition))


def _kind(where: TraceFilter, condition: Condition) -> TraceFilter:
    _require(condition, ":", "=")
    return replace(where, kind=_member(SpanKind, condition))


def _duration(where: TraceFilter, condition: Condition) -> TraceFilter:
    _require(condition, ">", ">=", ":")
    match = _DURATION.fullmatch(condition.value)
    if match is None:
        raise _wrong(condition, N_("a time such as 500ms, 2s or 1.5min"))
    return replace(where, min_duration_ns=round(float(match[1]) * _UNITS_NS[(match[2] or "s").lower()]))


def _errors(where: TraceFilter, condition: Condition) -> TraceFilter:
    said = (condition.operator, condition.value.lower())
    if said in {(">", "0"), (":", "yes"), (":", "true")}:
        return replace(where, has_errors=True)
    if said in {(":", "0"), ("=", "0"), (":", "no"), (":", "false")}:
        return replace(where, has_errors=False)
    raise _wrong(condition, N_("errors>0 or errors:0"))


_READERS: Final[dict[str, Callable[[TraceFilter, Condition], TraceFilter]]] = {
    "status": _status,
    "kind": _kind,
    "model": _text("model"),
    "service": _text("service"),
    "session": _text("session_id"),
    "user": _text("user_id"),
    "name": _text("name"),
    "trace": _text("trace_id"),
    "trace_id": _text("trace_id"),
    "duration": _duration,
    "errors": _errors,
}


def _require(condition: Condition, *operators: str) -> None:
    if condition.operator not in operators:
        raise _wrong(condition, f"{condition.field}{operators[0]}…")


def _member(kind: type[Kind], condition: Condition) -> Kind:
    try:
        return kind(condition.value.lower())
    except ValueError:
        raise _wrong(condition, ", ".join(kind)) from None


def _wrong(condition: Condition, wanted: str) -> QueryError:
    return QueryError(
        N_("Column {column}: {given!r} cannot be understood."),
        hint=N_("It takes {wanted}."),
        reason="query.value",
        column=condition.start + 1,
        given=f"{condition.field}{condition.operator}{condition.value}",
        wanted=wanted,
        start=condition.start,
        end=condition.end,
    )
