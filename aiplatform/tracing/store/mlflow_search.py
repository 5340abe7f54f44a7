"""MLflow's search: the traces of some experiments that meet conditions, in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, false, or_, select, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.mlflow_filter import Order
from aiplatform.tracing.model import TraceSummary
from aiplatform.tracing.store.labels import LabelKind
from aiplatform.tracing.store.mlflow_conditions import label_of, name_of, state_of
from aiplatform.tracing.store.rows import summary_of
from aiplatform.tracing.store.statements import any_of, listed

EXPERIMENT: Final = "experiment_id"
"""Key of the label that names a trace's experiment."""

NO_EXPERIMENT: Final = "0"
"""Experiment of every trace that was sent without one: the one that MLflow's clients fall back to."""

_MS: Final = 1_000_000


def search_mlflow(
    tx: Transaction,
    where: ColumnElement[bool] | None,
    *,
    experiment_ids: Sequence[str] | None,
    trace_ids: Sequence[str] | None = None,
    order: Sequence[Order] = (),
    limit: int,
    offset: int = 0,
    before_ms: int | None = None,
) -> list[TraceSummary]:
    """Summaries for which the condition holds, at most `limit`, the newest first where no order is given.

    Args:
        tx: Of one project.
        where: What must hold, as `filter_condition` makes it.
        experiment_ids: Experiments to look in; None looks in all of the project.
        trace_ids: Only among these.
        order: Columns of the order.
        limit: How many at most.
        offset: How many to leave out first.
        before_ms: Only traces that started then (milliseconds since 1970) or before.
    """
    statement = select(traces).where(traces.c.num_spans > 0)
    if where is not None:
        statement = statement.where(where)
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
        "status": state_of(),
        "name": name_of(),
        "request_id": traces.c.trace_id,
    }
    given = [columns[each.key].asc() if each.is_rising else columns[each.key].desc() for each in order]
    return statement.order_by(*given, traces.c.start_ns.desc(), traces.c.trace_id)


def _in_experiments(experiment_ids: Sequence[str]) -> ColumnElement[bool]:
    named = label_of(LabelKind.INFO, EXPERIMENT)
    found: ColumnElement[bool] = named.in_(list(experiment_ids)) if experiment_ids else false()
    return or_(found, named.is_(None)) if NO_EXPERIMENT in experiment_ids else found
