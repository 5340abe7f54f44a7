"""Everything of a scope, gone."""

from __future__ import annotations

from sqlalchemy import delete

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import (
    model_prices,
    scores,
    span_changes,
    span_resources,
    span_texts,
    spans,
    traces,
)


def delete_scope(tx: Transaction) -> None:
    """Delete every row that the transaction's scope reaches. Repeating it changes nothing."""
    for table in (scores, span_changes, span_texts, spans, span_resources, traces):
        tx.execute(delete(table))
    if tx.scope.project_id is None:  # prices belong to the tenant as a whole
        tx.execute(delete(model_prices))
