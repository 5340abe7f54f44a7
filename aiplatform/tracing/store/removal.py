"""Everything of a scope, or of some traces, gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, text

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import (
    scores,
    span_changes,
    span_resources,
    span_texts,
    spans,
    trace_labels,
    traces,
)
from aiplatform.tracing.store.statements import any_of, listed


def delete_scope(tx: Transaction) -> None:
    """Delete every row that the transaction's scope reaches. Repeating it changes nothing."""
    for table in (trace_labels, scores, span_changes, span_texts, spans, span_resources, traces):
        tx.execute(delete(table))


def delete_traces(tx: Transaction, trace_ids: Sequence[str]) -> int:
    """Delete some traces with all that belongs to them; returns how many there were."""
    condition = text(any_of(tx, "trace_id", "trace_ids")).bindparams(trace_ids=listed(tx, trace_ids))
    for table in (trace_labels, scores, span_texts, spans):
        tx.execute(delete(table).where(condition))
    return tx.execute(delete(traces).where(condition)).rowcount
