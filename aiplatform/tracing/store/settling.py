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


def settle(database: Database) -> int:
    """Sum up traces whose figures were carried forward; returns how many. `tracing.cold` sums what it brings back."""
    own = [getattr(cold_traces.c, name) == getattr(traces.c, name) for name in ("tenant_id", "project_id", "trace_id")]
    with database.system("settle traces", write=False) as tx:
        waiting = tx.execute(
            select(traces.c.tenant_id, traces.c.project_id, traces.c.trace_id)
            .where(traces.c.is_settled.is_(False), ~exists(select(cold_traces.c.trace_id).where(*own)))
            .limit(MAX_A_RUN)
        ).fetchall()
    for row in waiting:
        with database.transaction(Scope(tenant_id=row.tenant_id, project_id=row.project_id)) as mine:
            sum_up(mine, row.trace_id)
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
