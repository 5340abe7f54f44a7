"""Summaries and scores of some traces by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.model import TraceSummary
from aiplatform.tracing.store.listing import among
from aiplatform.tracing.store.rows import summary_of


def summaries(tx: Transaction, trace_ids: Sequence[str]) -> dict[str, TraceSummary]:
    """Those of the traces that are there, by id."""
    found = tx.execute(select(traces).where(among(tx, trace_ids), traces.c.num_spans > 0))
    return {row.trace_id: summary_of(row) for row in found}
