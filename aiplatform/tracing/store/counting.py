"""Counts of what arrived, by day; and what traces and their figures sum up to."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import ingest_counts, traces
from aiplatform.tracing.counting import Counts
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.store.statements import IN_PROJECT, rows, run
from aiplatform.tracing.tree import TOKEN_NAMES

MAX_ROWS: Final = 100
"""Rows of one statement: well under what a database binds."""


def add_counts(tx: Transaction, day: int, writer: str, counts: Counts) -> None:
    """Add to what one process has counted on a day, in one statement for what a flush brings.

    Each writer has rows of its own: processes that write at once never wait for each other's.
    """
    items = [(kind, reason, count) for (kind, reason), count in sorted(counts.items()) if count]
    for start in range(0, len(items), MAX_ROWS):
        part = items[start : start + MAX_ROWS]
        marks = ", ".join(
            f"(:tenant_id, :project_id, :day, :k{place}, :r{place}, :writer, :c{place})" for place in range(len(part))
        )
        values: dict[str, Any] = {"day": day, "writer": writer}
        for place, (kind, reason, count) in enumerate(part):
            values |= {f"k{place}": kind, f"r{place}": reason, f"c{place}": count}
        run(
            tx,
            "INSERT INTO ingest_counts (tenant_id, project_id, day, kind, reason, writer, count) "  # noqa: S608
            f"VALUES {marks} ON CONFLICT (tenant_id, project_id, day, kind, reason, writer) "
            "DO UPDATE SET count = ingest_counts.count + excluded.count",
            **values,
        )


def counts_by_day(tx: Transaction, first_day: int, last_day: int) -> list[Any]:
    """Rows of day, kind, reason and count, of all writers together."""
    table = ingest_counts
    total = func.sum(table.c.count).label("total")
    statement = (
        select(table.c.day, table.c.kind, table.c.reason, total)
        .where(table.c.day.between(first_day, last_day))
        .group_by(table.c.day, table.c.kind, table.c.reason)
        .order_by(table.c.day, table.c.kind, table.c.reason)
    )
    return list(tx.execute(statement))


def traces_by_day(tx: Transaction, first_day: int, last_day: int) -> Sequence[Any]:
    """Rows of the day on which traces began, with their number and what they sum up to."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in TOKEN_NAMES)
    sql = (
        f"SELECT start_ns / {DAY_NS} AS day, count(*) AS num_traces, sum(num_spans) AS num_spans, "  # noqa: S608
        f"sum(num_errors) AS num_errors, {sums} FROM traces WHERE {IN_PROJECT} AND num_spans > 0 "
        f"AND start_ns >= :from_ns AND start_ns < :to_ns GROUP BY start_ns / {DAY_NS}"
    )
    return rows(tx, sql, from_ns=first_day * DAY_NS, to_ns=(last_day + 1) * DAY_NS)


def costs_by_day(tx: Transaction, first_day: int, last_day: int) -> dict[int, dict[str, float]]:
    """What traces cost by the day on which they began, by currency; nothing is converted."""
    span = {"from_ns": first_day * DAY_NS, "to_ns": (last_day + 1) * DAY_NS}
    where = f"{IN_PROJECT} AND num_spans > 0 AND start_ns >= :from_ns AND start_ns < :to_ns"
    sql = (
        f"SELECT start_ns / {DAY_NS} AS day, currency, sum(cost) AS cost FROM traces "  # noqa: S608
        f"WHERE {where} AND cost IS NOT NULL GROUP BY start_ns / {DAY_NS}, currency"
    )
    found: dict[int, dict[str, list[float]]] = {}
    for row in rows(tx, sql, **span):
        found.setdefault(row.day, {}).setdefault(row.currency or "", []).append(row.cost)
    sql = f"SELECT start_ns / {DAY_NS} AS day, costs FROM traces WHERE {where} AND costs IS NOT NULL"  # noqa: S608
    for row in rows(tx, sql, **span):  # traces that paid in several currencies: few
        for currency, cost in json.loads(row.costs).items():
            found.setdefault(row.day, {}).setdefault(currency, []).append(cost)
    return {day: {name: math.fsum(costs[name]) for name in sorted(costs)} for day, costs in found.items()}


def reach(tx: Transaction) -> tuple[int | None, int | None]:
    """When the oldest and the newest trace that is kept began; None where there is none."""
    ends = (traces.c.start_ns.asc(), traces.c.start_ns.desc())
    oldest, newest = (
        tx.execute(select(traces.c.start_ns).where(traces.c.num_spans > 0).order_by(order).limit(1)).scalar()
        for order in ends
    )
    return oldest, newest


def remove_counts(tx: Transaction) -> None:
    """Forget what was counted in this scope."""
    tx.execute(delete(ingest_counts))
