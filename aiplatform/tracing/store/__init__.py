"""Spans, traces and scores in SQL: written in batches, read by page, by trace and by span."""

from aiplatform.tracing.store.listing import histogram, list_traces, with_search
from aiplatform.tracing.store.reading import freshness, span, tree
from aiplatform.tracing.store.removal import delete_scope, delete_traces
from aiplatform.tracing.store.scores import delete_score, put_score, scores
from aiplatform.tracing.store.settling import settle
from aiplatform.tracing.store.writing import write

__all__ = [
    "delete_scope",
    "delete_score",
    "delete_traces",
    "freshness",
    "histogram",
    "list_traces",
    "put_score",
    "scores",
    "settle",
    "span",
    "tree",
    "with_search",
    "write",
]
