"""Log records whose span never came: no trace takes them along when it goes, so that they are looked for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.storage.database import Transaction
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows, run

TRACES_AT_ONCE: Final = 500
"""Traces whose records are looked at, and removed, together."""

_NO_TRACE: Final = (
    "NOT EXISTS (SELECT 1 FROM traces t WHERE t.tenant_id = span_logs.tenant_id "
    "AND t.project_id = span_logs.project_id AND t.trace_id = span_logs.trace_id AND t.num_spans > 0)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some of the traces that log records name."""

    orphans: Sequence[str]
    """Those of them that have old records, and no span."""

    last: str | None
    """Where the next piece begins; None after the last one."""


def orphans_after(tx: Transaction, last: str, *, before_day: int) -> Piece:
    """The next piece in the order of trace ids, which is the order of the key.

    Args:
        tx: Of one project.
        last: Where the piece before ended; empty at the beginning.
        before_day: Days since 1970: records of that day and later are left alone.
    """
    named = rows(
        tx,
        "SELECT trace_id, min(day) AS day FROM span_logs "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND trace_id > :last GROUP BY trace_id ORDER BY trace_id LIMIT {TRACES_AT_ONCE}",
        last=last,
    )
    old = [row.trace_id for row in named if row.day < before_day]
    condition = any_of(tx, "trace_id", "trace_ids")
    there = (
        rows(
            tx,
            f"SELECT trace_id FROM traces WHERE {IN_PROJECT} AND num_spans > 0 AND {condition}",  # noqa: S608
            trace_ids=listed(tx, old),
        )
        if old
        else ()
    )
    orphans = set(old) - {row.trace_id for row in there}
    return Piece(orphans=sorted(orphans), last=named[-1].trace_id if len(named) == TRACES_AT_ONCE else None)


def remove_orphans(tx: Transaction, trace_ids: Sequence[str], *, before_day: int) -> int:
    """Remove the old records of traces that still have no span; returns how many.

    Args:
        tx: A write transaction of their project.
        trace_ids: Which.
        before_day: Days since 1970: records of that day and later stay.
    """
    condition = any_of(tx, "trace_id", "trace_ids")
    return run(
        tx,
        f"DELETE FROM span_logs WHERE {IN_PROJECT} AND {condition} AND day < :before_day AND {_NO_TRACE}",  # noqa: S608
        trace_ids=listed(tx, trace_ids),
        before_day=before_day,
    )
