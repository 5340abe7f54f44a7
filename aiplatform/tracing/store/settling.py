"""Exact figures for traces that were too large to be summed with each batch."""

from __future__ import annotations

from sqlalchemy import exists, select, update

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.tracing import cold_traces, traces
from aiplatform.tracing.store.cold import places_of
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, rows
from aiplatform.tracing.store.writing import figure_values
from aiplatform.tracing.tree import StoredBone, figures

MAX_A_RUN = 100


def unsettled(database: Database, *, is_cold: bool) -> list[tuple[Scope, str]]:
    """Traces of any tenant whose figures were carried forward.

    Args:
        database: Where they rest.
        is_cold: Whether those are meant whose spans lie in files, or those whose spans lie here.
    """
    same = [getattr(cold_traces.c, name) == getattr(traces.c, name) for name in ("tenant_id", "project_id", "trace_id")]
    lies_in_file = exists(select(cold_traces.c.trace_id).where(*same))
    statement = (
        select(traces.c.tenant_id, traces.c.project_id, traces.c.trace_id)
        .where(traces.c.is_settled.is_(False), lies_in_file if is_cold else ~lies_in_file)
        .limit(MAX_A_RUN)
    )
    with database.system("unsettled traces", write=False) as tx:
        found = tx.execute(statement).fetchall()
    return [(Scope(tenant_id=row.tenant_id, project_id=row.project_id), row.trace_id) for row in found]


def settle(database: Database) -> int:
    """Sum up traces whose figures were carried forward; returns how many. `tracing.cold` sums what it brings back."""
    waiting = unsettled(database, is_cold=False)
    for scope, trace_id in waiting:
        with database.transaction(scope) as tx:
            sum_up(tx, trace_id)
    return len(waiting)


def sum_up(tx: Transaction, trace_id: str) -> None:
    """Sum a trace's figures anew from all of its spans; nothing where there are none, or where some lie in a file."""
    tail = " FOR UPDATE" if tx.dialect == "postgresql" else ""
    rows(tx, f"SELECT trace_id FROM traces WHERE {IN_PROJECT} AND trace_id = :trace_id{tail}", trace_id=trace_id)  # noqa: S608
    sql = f"SELECT {BONE_COLUMNS} FROM spans WHERE {IN_PROJECT} AND trace_id = :trace_id"  # noqa: S608 - constants
    bones = [StoredBone(*row) for row in rows(tx, sql, trace_id=trace_id)]
    if not bones or places_of(tx, [trace_id]):
        return
    values = {**figure_values(figures(bones)), "is_settled": True}
    tx.execute(update(traces).where(traces.c.trace_id == trace_id).values(values))
