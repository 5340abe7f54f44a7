"""Everything of a scope, gone."""

from __future__ import annotations

from sqlalchemy import delete

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, span_changes, span_logs, span_resources, span_texts, spans, traces


def delete_scope(tx: Transaction) -> None:
    """Delete every row that the transaction's scope reaches. Repeating it changes nothing."""
    for table in (scores, span_changes, span_logs, span_texts, spans, span_resources, traces):
        tx.execute(delete(table))
