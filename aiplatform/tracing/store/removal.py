"""Everything of a scope, gone."""

from __future__ import annotations

from sqlalchemy import delete

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import (
    attribute_values,
    scores,
    span_attributes,
    span_changes,
    span_resources,
    span_texts,
    spans,
    traces,
)


def delete_scope(tx: Transaction) -> None:
    """Delete every row that the transaction's scope reaches. Repeating it changes nothing."""
    for table in (
        scores, span_changes, span_texts, span_attributes, attribute_values, spans, span_resources, traces,
    ):  # fmt: skip
        tx.execute(delete(table))
