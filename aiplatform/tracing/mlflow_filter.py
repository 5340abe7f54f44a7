"""MLflow's `filter_string` and `order_by` for traces, read into plain conditions.

The language is comparisons joined by AND: `trace.status = 'OK' AND tags.env = 'prod' AND feedback.quality > 0.5`. Names
that hold other characters stand in backticks or double quotes. `conditions` is the one door to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

Value = str | float | tuple[str, ...] | None


class Entity(StrEnum):
    """What a condition is about."""

    ATTRIBUTE = "attribute"
    TAG = "tag"
    METADATA = "metadata"
    SPAN = "span"
    FEEDBACK = "feedback"
    EXPECTATION = "expectation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison."""

    entity: Entity
    key: str
    operator: str
    """Upper case: `=`, `!=`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN`, `NOT IN`, `IS NULL`, `IS NOT NULL`."""

    value: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One column of the order."""

    key: str
    is_rising: bool


_ENTITIES: Final = {
    "attribute": Entity.ATTRIBUTE,
    "attributes": Entity.ATTRIBUTE,
    "trace": Entity.ATTRIBUTE,
    "tag": Entity.TAG,
    "tags": Entity.TAG,
    "metadata": Entity.METADATA,
    "request_metadata": Entity.METADATA,
    "span": Entity.SPAN,
    "feedback": Entity.FEEDBACK,
    "expectation": Entity.EXPECTATION,
}
_ATTRIBUTES: Final = {
    "request_id": "request_id",
    "trace_id": "request_id",
    "timestamp": "timestamp_ms",
    "timestamp_ms": "timestamp_ms",
    "execution_time": "execution_time_ms",
    "execution_time_ms": "execution_time_ms",
    "end_time": "end_time_ms",
    "end_time_ms": "end_time_ms",
    "status": "status",
    "state": "status",
    "name": "name",
    "run_id": "run_id",
    "client_request_id": "client_request_id",
    "text": "text",
}
"""Name in the filter -> ours."""

NUMERIC: Final = frozenset({"timestamp_ms", "execution_time_ms", "end_time_ms"})
_ORDERED: Final = NUMERIC | {"status", "name", "request_id"}
_SPAN_KEYS: Final = frozenset({"name", "type", "status", "content"})
_TEXTUAL: Final = frozenset({"=", "!=", "LIKE", "ILIKE"})
_LISTS: Final = frozenset({"IN", "NOT IN"})
_NULLS: Final = frozenset({"IS NULL", "IS NOT NULL"})
_NUMBERS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_OPERATORS: Final = {
    Entity.ATTRIBUTE: _TEXTUAL | _LISTS,
    Entity.TAG: _TEXTUAL | _NULLS,
    Entity.METADATA: _TEXTUAL | _NULLS,
    Entity.SPAN: _TEXTUAL | _LISTS,
    Entity.FEEDBACK: _TEXTUAL | _NULLS | _NUMBERS,
    Entity.EXPECTATION: _TEXTUAL | _NULLS | _NUMBERS,
}
_QUOTED: Final = r"`[^`]*`|\"[^\"]*\""
_NAME: Final = re.compile(rf"\s*([A-Za-z_]+)\s*(?:\.\s*({_QUOTED}|[\w./-]+))?\s*")
_OPERATOR: Final = re.compile(
    r"(!=|<=|>=|=|<|>|IS\s+NOT\s+NULL\b|IS\s+NULL\b|NOT\s+IN\b|IN\b|LIKE\b|ILIKE\b|RLIKE\b)\s*", re.IGNORECASE
)
_STRING: Final = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\""
_VALUE: Final = re.compile(rf"({_STRING})|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|\(([^()]*)\)")
_LIST_ITEM: Final = re.compile(rf"\s*({_STRING})\s*(?:,|$)")
_AND: Final = re.compile(r"\s*AND\b", re.IGNORECASE)
_ORDER: Final = re.compile(rf"\s*(?:([A-Za-z_]+)\s*\.\s*)?({_QUOTED}|\w+)\s*(ASC|DESC)?\s*", re.IGNORECASE)


def conditions(filter_string: str | None) -> tuple[Condition, ...]:
    """What a filter asks for; all of it must hold.

    Raises:
        InvalidError: It cannot be read, or asks for what is not kept here.
    """
    text = (filter_string or "").strip()
    found: list[Condition] = []
    at = 0
    while at < len(text):
        condition, at = _comparison(text, at)
        found.append(condition)
        joint = _AND.match(text, at)
        if joint is None:
            if text[at:].strip():
                raise _wrong(text, at)
            break
        at = joint.end()
        if not text[at:].strip():
            raise _wrong(text, at)
    return tuple(found)


def orders(clauses: Sequence[str] | None) -> tuple[Order, ...]:
    """What `order_by` asks for, such as `timestamp_ms DESC`; rising where nothing is said.

    Raises:
        InvalidError: A clause cannot be read, or names what cannot be ordered by.
    """
    found = []
    for clause in clauses or ():
        match = _ORDER.fullmatch(clause)
        key = _ATTRIBUTES.get(_bare(match[2]).lower()) if match else None
        entity = _ENTITIES.get((match[1] or "attribute").lower()) if match else None
        if match is None or entity is not Entity.ATTRIBUTE or key not in _ORDERED:
            raise InvalidError(
                N_("Traces cannot be ordered by {clause!r}."),
                hint=N_("Order by timestamp_ms, execution_time_ms, end_time_ms, status, name or request_id."),
                reason="mlflow.order_by",
                clause=clause,
            )
        found.append(Order(key=key, is_rising=(match[3] or "ASC").upper() == "ASC"))
    return tuple(found)


def _comparison(text: str, at: int) -> tuple[Condition, int]:
    name = _NAME.match(text, at)
    if name is None:
        raise _wrong(text, at)
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        raise _wrong(text, name.end())
    word = " ".join(operator[1].upper().split())
    if word in _NULLS:
        return _checked(text, name, word, None), operator.end()
    given = _VALUE.match(text, operator.end())
    if given is None:
        raise _wrong(text, operator.end())
    value: Value
    if given[1] is not None:
        value = _unquoted(given[1])
    elif given[2] is not None:
        value = float(given[2])
    else:
        value = _list(text, given)
    return _checked(text, name, word, value), given.end()


def _checked(text: str, name: re.Match[str], operator: str, value: Value) -> Condition:
    """The condition, where its subject is known and can be compared like that."""
    entity, key = (Entity.ATTRIBUTE, name[1]) if name[2] is None else (_ENTITIES.get(name[1].lower()), _bare(name[2]))
    if entity is Entity.ATTRIBUTE:
        key = _ATTRIBUTES.get(key.lower(), "")
    is_known = bool(key) and not (entity is Entity.SPAN and key not in _SPAN_KEYS)
    if entity is None or not is_known:
        raise InvalidError(
            N_("Traces cannot be searched by {name!r} (column {column})."),
            hint=N_("Search by status, timestamp, execution_time, name, tags, metadata, span.name, feedback."),
            reason="mlflow.filter_name",
            name=name[0].strip(),
            column=name.start() + 1,
        )
    is_number = entity is Entity.ATTRIBUTE and key in NUMERIC
    allowed = _NUMBERS if is_number else _OPERATORS[entity]
    if (entity is Entity.ATTRIBUTE and key == "text") or (entity is Entity.SPAN and key == "content"):
        allowed = frozenset({"LIKE", "ILIKE"})
    wants_list = operator in _LISTS
    fits = isinstance(value, tuple) == wants_list and (not is_number or isinstance(value, float))
    if isinstance(value, float) and not is_number and entity not in {Entity.FEEDBACK, Entity.EXPECTATION}:
        fits = False
    if operator not in allowed or not fits:
        raise InvalidError(
            N_("{name!r} cannot be compared by {operator!r} with that value (column {column})."),
            hint=N_("Text stands in single quotes; times and durations are numbers of milliseconds."),
            reason="mlflow.filter_operator",
            name=name[0].strip(),
            operator=operator,
            column=name.start() + 1,
        )
    return Condition(entity=entity, key=key, operator=operator, value=value)


def _list(text: str, given: re.Match[str]) -> tuple[str, ...]:
    inner, at = given[3], 0
    found = []
    while at < len(inner):
        item = _LIST_ITEM.match(inner, at)
        if item is None:
            raise _wrong(text, given.start(3) + at)
        found.append(_unquoted(item[1]))
        at = item.end()
    return tuple(found)


def _bare(name: str) -> str:
    return name[1:-1] if name[:1] in {"`", '"'} else name


def _unquoted(literal: str) -> str:
    inner = literal[1:-1]
    if literal[0] == "'":
        inner = inner.replace("''", "'")
    return re.sub(r"\\(['\"\\])", r"\1", inner)


def _wrong(text: str, at: int) -> InvalidError:
    return InvalidError(
        N_("The filter {text!r} cannot be read from column {column} on."),
        hint=N_("Write comparisons joined by AND: trace.status = 'OK' AND tags.env = 'prod'."),
        reason="mlflow.filter",
        text=text,
        column=at + 1,
    )
