"""MLflow's `filter_string` and `order_by` for traces, read into plain conditions.

    filter    = comparison {"AND" comparison}
    comparison = name operator value | name ["NOT"] "IN" "(" text {"," text} ")" | name "IS" ["NOT"] "NULL"
    operator  = "=" | "!=" | ">" | ">=" | "<" | "<=" | "LIKE" | "ILIKE" | "RLIKE"

`trace.status = 'OK' AND tags.env = 'prod' AND feedback.quality > 0.5 AND span.attributes.http.status_code >= 500`.
Names that hold other characters stand in backticks or double quotes. As in MLflow each condition on spans may be met by
another span. `conditions` is the one door to it; `store.mlflow_conditions` makes SQL of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.query import QueryError, regex
from aiplatform.tracing.query.parser import MAX_CHARACTERS, MAX_CONDITIONS
from aiplatform.tracing.query.values import storable

Value = str | float | tuple[str, ...] | None


class Entity(StrEnum):
    """What a condition is about."""

    ATTRIBUTE = "attribute"
    TAG = "tag"
    METADATA = "metadata"
    SPAN = "span"
    SPAN_ATTRIBUTE = "span.attributes"
    FEEDBACK = "feedback"
    EXPECTATION = "expectation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison."""

    entity: Entity
    key: str
    operator: str
    """Upper case: `=` `!=` `<` `<=` `>` `>=` `LIKE` `ILIKE` `RLIKE` `IN` `NOT IN` `IS NULL` `IS NOT NULL`."""

    value: Value = None

    @property
    def is_text(self) -> bool:
        """Whether it asks for words, wherever they stand in a trace or in one of its spans."""
        return (self.entity, self.key) in {(Entity.ATTRIBUTE, "text"), (Entity.SPAN, "content")}


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
_PATTERNS: Final = frozenset({"LIKE", "ILIKE"})
_TEXTUAL: Final = _PATTERNS | {"=", "!=", "RLIKE"}
_LISTS: Final = frozenset({"IN", "NOT IN"})
_NULLS: Final = frozenset({"IS NULL", "IS NOT NULL"})
_ORDERINGS: Final = frozenset({"<", "<=", ">", ">="})
_NUMBERS: Final = _ORDERINGS | {"=", "!="}
_OPERATORS: Final = {
    Entity.ATTRIBUTE: _TEXTUAL | _LISTS,
    Entity.TAG: _TEXTUAL | _NULLS,
    Entity.METADATA: _TEXTUAL | _NULLS,
    Entity.SPAN: _TEXTUAL | _LISTS,
    Entity.SPAN_ATTRIBUTE: _TEXTUAL | _LISTS | _NULLS | _NUMBERS,
    Entity.FEEDBACK: _TEXTUAL | _NULLS | _NUMBERS,
    Entity.EXPECTATION: _TEXTUAL | _NULLS | _NUMBERS,
}
_QUOTED: Final = r"`[^`]*`|\"[^\"]*\""
_NAME: Final = re.compile(rf"\s*([A-Za-z_]+)\s*(?:\.\s*(attributes?\s*\.\s*)?({_QUOTED}|[\w./-]+))?\s*")
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
    text = storable(filter_string or "")
    if len(text) > MAX_CHARACTERS:
        raise QueryError(
            N_("A query may have {limit} characters; this one has {size}."),
            reason="query.too_long",
            limit=MAX_CHARACTERS,
            size=len(text),
            hint=N_("Ask for less at once."),
        )
    found: list[Condition] = []
    at = 0
    while text[at:].strip():
        if len(found) >= MAX_CONDITIONS:
            raise QueryError(
                N_("A query may have {limit} conditions (column {column})."),
                source=text,
                start=at,
                end=at,
                reason="query.too_long",
                limit=MAX_CONDITIONS,
            )
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
    start = name.start(1)
    found = _subject(name)
    if found is None:
        raise QueryError(
            N_("Traces cannot be searched by {name!r} (column {column})."),
            source=text,
            start=start,
            end=name.end(),
            hint=N_("Search by status, timestamp, execution_time, name, tags, metadata, span.name, feedback."),
            reason="mlflow.filter_name",
            name=name[0].strip(),
        )
    entity, key = found
    condition = Condition(entity=entity, key=key, operator=operator, value=value)
    if not _fits(condition):
        raise QueryError(
            N_("{name!r} cannot be compared by {operator!r} with that value (column {column})."),
            source=text,
            start=start,
            end=name.end(),
            hint=N_("Text stands in single quotes; times and durations are numbers of milliseconds."),
            reason="mlflow.filter_operator",
            name=name[0].strip(),
            operator=operator,
        )
    if operator == "RLIKE":
        _check_expression(text, name, str(value))
    return condition


def _subject(name: re.Match[str]) -> tuple[Entity, str] | None:
    """What a name means; None where there is nothing of it."""
    before, inner, last = name[1], name[2], name[3]
    if last is None:
        key = _ATTRIBUTES.get(before.lower())
        return None if key is None else (Entity.ATTRIBUTE, key)
    entity = _ENTITIES.get(before.lower())
    if entity is Entity.SPAN and inner is not None:
        return (Entity.SPAN_ATTRIBUTE, _bare(last)) if _bare(last) else None
    own = f"{inner or ''}{_bare(last)}"
    if entity is Entity.ATTRIBUTE:
        own = _ATTRIBUTES.get(own.lower(), "")
    is_known = bool(own) and not (entity is Entity.SPAN and own not in _SPAN_KEYS)
    return (entity, own) if entity is not None and is_known else None


def _fits(condition: Condition) -> bool:
    """Whether the subject can be compared by such an operator, and with such a value."""
    entity, operator, value = condition.entity, condition.operator, condition.value
    is_number = entity is Entity.ATTRIBUTE and condition.key in NUMERIC
    allowed = _NUMBERS if is_number else _PATTERNS if condition.is_text else _OPERATORS[entity]
    if operator not in allowed or isinstance(value, tuple) != (operator in _LISTS):
        return False
    if operator in _ORDERINGS and entity is Entity.SPAN_ATTRIBUTE:
        return isinstance(value, float)
    if isinstance(value, float):
        may_be_number = is_number or entity in {Entity.FEEDBACK, Entity.EXPECTATION, Entity.SPAN_ATTRIBUTE}
        return may_be_number and operator not in {"LIKE", "ILIKE", "RLIKE"}
    return not is_number


def _check_expression(text: str, name: re.Match[str], pattern: str) -> None:
    try:
        regex.parse(pattern)
    except regex.ExpressionError as error:
        raise QueryError(
            N_("This is no regular expression that is known here (column {column}): {problem}."),
            source=text,
            start=name.start(1),
            end=name.end(),
            reason="query.expression",
            problem=error.problem,
        ) from None


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


def _wrong(text: str, at: int) -> QueryError:
    return QueryError(
        N_("The filter {text!r} cannot be read from column {column} on."),
        source=text,
        start=at,
        end=at + 1,
        reason="mlflow.filter",
        text=text,
    )
