"""What MLflow's filters ask for, as SQL over the summaries, the labels, the scores, the spans and the index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, false, func, not_, or_, select, true

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, spans, trace_labels, traces
from aiplatform.tracing.mlflow_filter import Condition, Entity
from aiplatform.tracing.model import SpanKind, Status
from aiplatform.tracing.query.automaton import found
from aiplatform.tracing.query.regex import postgres_form
from aiplatform.tracing.query.tree import (
    Compare,
    Exists,
    Name,
    Node,
    Not,
    OneOf,
    Op,
    Some,
    Space,
    Words,
    every,
    uses_index,
)
from aiplatform.tracing.query.tree import Value as QueryValue
from aiplatform.tracing.semconv import KIND_WORDS, Field
from aiplatform.tracing.store.labels import SESSION, USER, LabelKind
from aiplatform.tracing.store.searching import query_condition
from aiplatform.tracing.textindex.reading import FOUND_FUNCTION

if TYPE_CHECKING:
    from aiplatform.tracing.textindex.ports import IndexSql

TRACE_NAME: Final = "mlflow.traceName"
SOURCE_RUN: Final = "mlflow.sourceRun"
_STATES: Final = {Status.OK: "OK", Status.ERROR: "ERROR", Status.RUNNING: "IN_PROGRESS"}
_SPAN_STATES: Final = {"OK": Status.OK, "ERROR": Status.ERROR, "UNSET": Status.OK, "IN_PROGRESS": Status.RUNNING}
_COLUMN_OF_METADATA: Final = {SESSION: traces.c.session_id, USER: traces.c.user_id}
"""What clients are shown as metadata though a span said it."""

_KINDS: Final = KIND_WORDS[Field.KIND_MLFLOW]
_MS: Final = 1_000_000


def filter_condition(
    tx: Transaction, query: Node | None, mlflow: Sequence[Condition], index: IndexSql, *, now_ns: int
) -> ColumnElement[bool] | None:
    """The condition that a trace meets a query and a filter of MLflow's; None where neither asks for anything.

    Args:
        tx: A transaction of the index's reader, bound to one project.
        query: A query of our own language.
        mlflow: Conditions, all of which must hold.
        index: How statements reach the index.
        now_ns: The moment that `now` means in the query.
    """
    # One tree for all that goes to the index: two statements would name their parameters alike.
    nodes = [*([query] if query is not None else ()), *index_nodes(mlflow)]
    conditions = row_conditions(tx, mlflow)
    if nodes:
        conditions.append(query_condition(tx, every(nodes), index, now_ns=now_ns))
    return and_(*conditions) if conditions else None


def reads_index(query: Node | None, mlflow: Sequence[Condition]) -> bool:
    """Whether the answer depends on what is indexed behind the write."""
    return (query is not None and uses_index(query)) or any(_is_indexed(each) for each in mlflow)


def _is_indexed(where: Condition) -> bool:
    return where.is_text or where.entity is Entity.SPAN_ATTRIBUTE


def row_conditions(tx: Transaction, mlflow: Sequence[Condition]) -> list[ColumnElement[bool]]:
    """Those conditions that summaries, labels and scores answer."""
    return [_condition(tx, each) for each in mlflow if not _is_indexed(each)]


def index_nodes(mlflow: Sequence[Condition]) -> Iterator[Node]:
    """The other ones, as our own language says them."""
    for where in mlflow:
        if where.is_text:
            pieces = [piece.strip() for piece in re.split(r'[%"]+', str(where.value)) if piece.strip()]
            if pieces:
                # Apart from other words: each condition may be met by another span.
                yield Some((Words(tuple(f'"{piece}"' for piece in pieces)),))
        elif where.entity is Entity.SPAN_ATTRIBUTE:
            yield _attribute(where)


def _attribute(where: Condition) -> Node:
    name = Name(Space.ATTRIBUTES, where.key)
    given = where.value if isinstance(where.value, tuple) else (where.value,)
    values: tuple[QueryValue, ...] = tuple(each for each in given if each is not None)
    match where.operator:
        case "IN":
            return OneOf(name, values)
        case "NOT IN":
            return every([Exists(name), Not(OneOf(name, values))])
        case "IS NULL":
            return Not(Exists(name))
        case "IS NOT NULL":
            return Exists(name)
        case "LIKE" | "ILIKE":
            return Compare(name, Op.MATCHES, _like_expression(str(where.value), where.operator))
        case "RLIKE":
            return Compare(name, Op.MATCHES, str(where.value))
        case operator:
            return Compare(name, Op(operator), values[0])


def _like_expression(pattern: str, operator: str) -> str:
    """SQL's LIKE as a regular expression; only ILIKE ignores the case."""
    body = "".join(
        ".*" if each == "%" else "." if each == "_" else re.sub(r"[\\^$.|*+?()\[\]{}]", r"\\\g<0>", each)
        for each in pattern
    )
    return f"{'(?i)' if operator == 'ILIKE' else ''}^{body}$"


def _condition(tx: Transaction, where: Condition) -> ColumnElement[bool]:
    if where.entity in {Entity.TAG, Entity.METADATA}:
        if where.entity is Entity.TAG and where.key == TRACE_NAME:
            return _null_or(tx, where, name_of())
        said = label_of(LabelKind(where.entity.value), where.key)
        shown = _COLUMN_OF_METADATA.get(where.key) if where.entity is Entity.METADATA else None
        return _null_or(tx, where, said if shown is None else func.coalesce(said, shown))
    if where.entity is Entity.SPAN:
        return _span(tx, where)
    if where.entity in {Entity.FEEDBACK, Entity.EXPECTATION}:
        return _score(tx, where)
    match where.key:
        case "status":
            return _text(tx, where, state_of(), upper=True)
        case "name":
            return _text(tx, where, name_of())
        case "request_id":
            return _text(tx, where, "tr-" + traces.c.trace_id)
        case "run_id":
            return _text(tx, where, label_of(LabelKind.METADATA, SOURCE_RUN))
        case "client_request_id":
            return _text(tx, where, label_of(LabelKind.INFO, "client_request_id"))
        case "timestamp_ms":
            return _whole_ms(where, traces.c.start_ns)
        case "execution_time_ms":
            return _whole_ms(where, traces.c.duration_ns)
        case "end_time_ms":
            return _whole_ms(where, traces.c.start_ns + traces.c.duration_ns)
    raise ValueError(f"{where.key} is no column")


def label_of(kind: LabelKind, key: str) -> ColumnElement[Any]:
    """What a label of a trace says; NULL where there is none."""
    column = trace_labels.c
    said = select(column.value).where(
        column.trace_id == traces.c.trace_id, column.kind == kind.value, column.key == key
    )
    return said.correlate(traces).scalar_subquery()


def state_of() -> ColumnElement[Any]:
    """A trace's state in MLflow's words, its sender's own where there is one."""
    said = case(*((traces.c.status == status.value, state) for status, state in _STATES.items()), else_="OK")
    return func.coalesce(label_of(LabelKind.INFO, "state"), said)


def name_of() -> ColumnElement[Any]:
    """A trace's name, its sender's own where there is one."""
    return func.coalesce(label_of(LabelKind.TAG, TRACE_NAME), traces.c.name)


def _null_or(tx: Transaction, where: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    if where.operator == "IS NULL":
        return column.is_(None)
    return column.is_not(None) if where.operator == "IS NOT NULL" else _text(tx, where, column)


def _text(tx: Transaction, where: Condition, column: ColumnElement[Any], *, upper: bool = False) -> ColumnElement[bool]:
    """A comparison of text; `LIKE` minds the case, as MLflow's does, on both databases."""
    value: Any = where.value
    if upper:
        value = tuple(each.upper() for each in value) if isinstance(value, tuple) else str(value).upper()
    same: ColumnElement[bool] = column == value
    match where.operator:
        case "=":
            return same
        case "!=":
            return not_(same)
        case "IN":
            return column.in_(list(value))
        case "NOT IN":
            return column.not_in(list(value))
        case "ILIKE":
            return column.ilike(value)
        case "RLIKE":
            return _found(tx, column, str(value))
        case _:
            return _like(tx, column, str(value))


def _like(tx: Transaction, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    if tx.dialect == "postgresql":
        return column.like(pattern)
    # SQLite's LIKE ignores the case of ASCII letters; its GLOB, which has other signs, does not.
    signs = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return column.op("GLOB", is_comparison=True)("".join(signs.get(each, each) for each in pattern))


def _found(tx: Transaction, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    if tx.dialect == "postgresql":
        return column.op("~", is_comparison=True)(postgres_form(pattern))
    finds: ColumnElement[bool] = getattr(func, FOUND_FUNCTION)(pattern, column)
    return and_(column.is_not(None), finds == 1)


def _whole_ms(where: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A comparison of nanoseconds with milliseconds, in which a value counts as its whole milliseconds."""
    value = float(where.value)  # type: ignore[arg-type]  # the filter has checked it
    low = int(value) * _MS
    is_whole = value == int(value)
    match where.operator:
        case "=":
            return and_(column >= low, column < low + _MS) if is_whole else false()
        case "!=":
            return or_(column < low, column >= low + _MS) if is_whole else true()
        case ">":
            return column >= low + _MS
        case ">=":
            return column >= (low if is_whole else low + _MS)
        case "<":
            return column < (low if is_whole else low + _MS)
        case _:
            return column < low + _MS


def _span(tx: Transaction, where: Condition) -> ColumnElement[bool]:
    column, condition = spans.c, None
    if where.key == "name":
        condition = _text(tx, where, column.name)
    elif where.key == "type":
        condition = _word(where, column.kind, {word.upper(): kind for word, kind in _KINDS.items()}, SpanKind.OTHER)
    else:
        condition = _word(where, column.status, _SPAN_STATES, None)
    return exists(select(column.span_id).where(column.trace_id == traces.c.trace_id, condition).correlate(traces))


def _word(
    where: Condition, column: ColumnElement[Any], words: Mapping[str, StrEnum], other: StrEnum | None
) -> ColumnElement[bool]:
    """A comparison with one of MLflow's words, each of which means one of ours."""
    given = where.value if isinstance(where.value, tuple) else (str(where.value),)
    if where.operator in {"LIKE", "ILIKE", "RLIKE"}:
        is_like = where.operator != "RLIKE"
        expression = _like_expression(given[0], "ILIKE") if is_like else given[0]
        meant = {ours for word, ours in words.items() if found(expression, word)}
    else:
        meant = {ours for word in given if (ours := words.get(word.upper(), other)) is not None}
    condition = column.in_(sorted(each.value for each in meant)) if meant else false()
    return not_(condition) if where.operator in {"!=", "NOT IN"} else condition


def _score(tx: Transaction, where: Condition) -> ColumnElement[bool]:
    is_expected = exists(
        select(trace_labels.c.key)
        .where(
            trace_labels.c.trace_id == scores.c.trace_id,
            trace_labels.c.kind == LabelKind.EXPECTATION.value,
            trace_labels.c.key == scores.c.score_id,
        )
        .correlate(scores)
    )
    mine = [
        scores.c.trace_id == traces.c.trace_id,
        scores.c.name == where.key,
        is_expected if where.entity is Entity.EXPECTATION else not_(is_expected),
    ]
    if where.operator not in {"IS NULL", "IS NOT NULL"}:
        mine.append(_score_value(tx, where))
    is_there = exists(select(scores.c.score_id).where(*mine).correlate(traces))
    return not_(is_there) if where.operator == "IS NULL" else is_there


def _score_value(tx: Transaction, where: Condition) -> ColumnElement[bool]:
    value, column = where.value, scores.c
    number = _number(value)
    if where.operator in {"<", "<=", ">", ">="}:
        if number is None:
            return false()
        compared = {
            "<": column.number < number,
            "<=": column.number <= number,
            ">": column.number > number,
            ">=": column.number >= number,
        }[where.operator]
        return and_(column.type == "numeric", compared)
    if where.operator in {"LIKE", "ILIKE", "RLIKE"}:
        return _text(tx, where, column.label)
    same: list[ColumnElement[bool]] = [column.label == str(value)]
    if number is not None:
        same.append(and_(column.type == "numeric", column.number == number))
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        same.append(and_(column.type == "boolean", column.number == (1.0 if value.lower() == "true" else 0.0)))
    # A label is empty where the score is a number: what is unknown counts as different.
    is_same = func.coalesce(or_(*same), false())
    return not_(is_same) if where.operator == "!=" else is_same


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return None
