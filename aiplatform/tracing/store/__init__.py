"""Spans, traces and scores in SQL: written in batches, read by page, by trace and by span."""

from aiplatform.tracing.store.cold import has_files
from aiplatform.tracing.store.completing import seen_names, seen_values
from aiplatform.tracing.store.counting import remove_counts
from aiplatform.tracing.store.listing import histogram, list_traces, with_search
from aiplatform.tracing.store.policies import remove_policies
from aiplatform.tracing.store.prices import MAX_PRICES, OwnPrice, own_prices, put_price, remove_price
from aiplatform.tracing.store.reading import freshness, span, summary, tree
from aiplatform.tracing.store.removal import delete_scope, is_erased, remove_traces
from aiplatform.tracing.store.repricing import RepricedPiece, reprice
from aiplatform.tracing.store.scores import delete_score, put_score, scores
from aiplatform.tracing.store.searches import remove_searches
from aiplatform.tracing.store.searching import query_condition
from aiplatform.tracing.store.settling import settle
from aiplatform.tracing.store.writing import write

__all__ = [
    "MAX_PRICES",
    "OwnPrice",
    "RepricedPiece",
    "delete_scope",
    "delete_score",
    "freshness",
    "has_files",
    "histogram",
    "is_erased",
    "list_traces",
    "own_prices",
    "put_price",
    "put_score",
    "remove_counts",
    "remove_policies",
    "remove_price",
    "remove_searches",
    "remove_traces",
    "reprice",
    "query_condition",
    "scores",
    "seen_names",
    "seen_values",
    "settle",
    "span",
    "summary",
    "tree",
    "with_search",
    "write",
]
