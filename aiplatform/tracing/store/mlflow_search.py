"""Conditions of MLflow's search, as SQL over the summaries, the labels, the scores and the spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, not_, or_, select, text, true

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, spans, trace_labels, traces
from aiplatform.tracing.mlflow_filter import Condition, Entity, Order
from aiplatform.tracing.model import SpanKind, Status, TraceSummary
from aiplatform.tracing.semconv import KIND_WORDS, Field
from aiplatform.tracing.store.labels import LabelKind
from aiplatform.tracing.store.rows import summary_of
from aiplatform.tracing.store.statements import any_of, listed

EXPERIMENT: Final = "experiment_id"
"""Key of the label that names a trace's experiment."""

NO_EXPERIMENT: Final = "0"
"""Experiment of every trace that was sent without one: the one that MLflow's clients fall back to."""

TRACE_NAME: Final = "mlflow.traceName"
SOURCE_RUN: Final = "mlflow.sourceRun"
_STATES: Final = {Status.OK: "OK", Status.ERROR: "ERROR", Status.RUNNING: "IN_PROGRESS"}
_SPAN_STATES: Final = {"OK": Status.OK, "ERROR": Status.ERROR, "UNSET": Status.OK, "IN_PROGRESS": Status.RUNNING}
_MS: Final = 1_000_000


def search_mlflow(
    tx: Transaction,
    where: Sequence[Condition],
    *,
    experiment_ids: Sequence[str] | None,
    trace_ids: Sequence[str] | None = None,
    order: Sequence[Order] = (),
    limit: int,
    offset: int = 0,
    before_ms: int | None = None,
) -> list[TraceSummary]:
    """Summaries for which every condition holds, at most `limit`, the newest first where no order is given.

    Args:
        tx: Of one project.
        where: What must hold; conditions on text are the caller's.
        experiment_ids: Experiments to look in; None looks in all of the project.
        trace_ids: Only among these.
        order: Columns of the order.
        limit: How many at most.
        offset: How many to leave out first.
        before_ms: Only traces that started then (milliseconds since 1970) or before.
    """
    statement = select(traces).where(traces.c.num_spans > 0, *(_condition(each) for each in where))
    if experiment_ids is not None:
        statement = statement.where(_in_experiments(experiment_ids))
    if trace_ids is not None:
        condition = text(any_of(tx, "trace_id", "trace_ids"))
        statement = statement.where(condition.bindparams(trace_ids=listed(tx, trace_ids)))
    if before_ms is not None:
        statement = statement.where(traces.c.start_ns < (before_ms + 1) * _MS)
    found = tx.execute(_ordered(statement, order).limit(limit).offset(offset))
    return [summary_of(row) for row in found]


def _ordered(statement: Select[Any], order: Sequence[Order]) -> Select[Any]:
    columns: dict[str, ColumnElement[Any]] = {
        "timestamp_ms": traces.c.start_ns,
        "execution_time_ms": traces.c.duration_ns,
        "end_time_ms": traces.c.start_ns + traces.c.duration_ns,
        "status": _state(),
        "name": _name(),
        "request_id": traces.c.trace_id,
    }
    given = [columns[each.key].asc() if each.is_rising else columns[each.key].desc() for each in order]
    return statement.order_by(*given, traces.c.start_ns.desc(), traces.c.trace_id)


def _condition(where: Condition) -> ColumnElement[bool]:
    if where.entity in {Entity.TAG, Entity.METADATA}:
        if where.entity is Entity.TAG and where.key == TRACE_NAME:
            return _null_or(where, _name())
        return _null_or(where, _label(LabelKind(where.entity.value), where.key))
    if where.entity is Entity.SPAN:
        return _span(where)
    if where.entity in {Entity.FEEDBACK, Entity.EXPECTATION}:
        return _score(where)
    match where.key:
        case "status":
            return _text(where, _state(), upper=True)
        case "name":
            return _text(where, _name())
        case "request_id":
            return _text(where, "tr-" + traces.c.trace_id)
        case "run_id":
            return _text(where, _label(LabelKind.METADATA, SOURCE_RUN))
        case "client_request_id":
            return _text(where, _label(LabelKind.INFO, "client_request_id"))
        case "timestamp_ms":
            return _whole_ms(where, traces.c.start_ns)
        case "execution_time_ms":
            return _whole_ms(where, traces.c.duration_ns)
        case "end_time_ms":
            return _whole_ms(where, traces.c.start_ns + traces.c.duration_ns)
    raise ValueError(f"{where.key} is no column")


def _in_experiments(experiment_ids: Sequence[str]) -> ColumnElement[bool]:
    named = _label(LabelKind.INFO, EXPERIMENT)
    found: ColumnElement[bool] = named.in_(list(experiment_ids)) if experiment_ids else false()
    return or_(found, named.is_(None)) if NO_EXPERIMENT in experiment_ids else found


def _label(kind: LabelKind, key: str) -> ColumnElement[Any]:
    column = trace_labels.c
    found = select(column.value).where(
        column.trace_id == traces.c.trace_id, column.kind == kind.value, column.key == key
    )
    return found.correlate(traces).scalar_subquery()


def _state() -> ColumnElement[Any]:
    said = case(*((traces.c.status == status.value, state) for status, state in _STATES.items()), else_="OK")
    return func.coalesce(_label(LabelKind.INFO, "state"), said)


def _name() -> ColumnElement[Any]:
    return func.coalesce(_label(LabelKind.TAG, TRACE_NAME), traces.c.name)


def _null_or(where: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    if where.operator == "IS NULL":
        return column.is_(None)
    return column.is_not(None) if where.operator == "IS NOT NULL" else _text(where, column)


def _text(where: Condition, column: ColumnElement[Any], *, upper: bool = False) -> ColumnElement[bool]:
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
        case _:
            return _like(column, str(value))


def _like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """SQLite's LIKE ignores the case of ASCII letters; the parts between the wildcards must occur as they are."""
    exact = [func.replace(column, part, "") != column for part in pattern.replace("_", "%").split("%") if part]
    return and_(column.like(pattern), *exact)


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


def _span(where: Condition) -> ColumnElement[bool]:
    column: ColumnElement[Any] = spans.c.name
    condition: ColumnElement[bool]
    if where.key == "name":
        condition = _text(where, column)
    else:
        column, words = (spans.c.kind, _kind_of) if where.key == "type" else (spans.c.status, _span_status_of)
        given = where.value if isinstance(where.value, tuple) else (str(where.value),)
        if where.operator in {"LIKE", "ILIKE"}:
            condition = column.ilike(str(where.value))
        else:
            condition = column.in_([words(each) for each in given])
            condition = not_(condition) if where.operator in {"!=", "NOT IN"} else condition
    return exists(select(spans.c.span_id).where(spans.c.trace_id == traces.c.trace_id, condition).correlate(traces))


def _kind_of(word: str) -> str:
    return KIND_WORDS[Field.KIND_MLFLOW].get(word.lower(), SpanKind.OTHER).value


def _span_status_of(word: str) -> str:
    return _SPAN_STATES.get(word.upper(), word.lower())


def _score(where: Condition) -> ColumnElement[bool]:
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
        mine.append(_score_value(where))
    found = exists(select(scores.c.score_id).where(*mine).correlate(traces))
    return not_(found) if where.operator == "IS NULL" else found


def _score_value(where: Condition) -> ColumnElement[bool]:
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
    if where.operator in {"LIKE", "ILIKE"}:
        return _text(where, column.label)
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
