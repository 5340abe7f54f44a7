"""Stored spans priced again, from their raw form: after prices were set, or where there were none when they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.storage.database import Transaction
from aiplatform.tracing.arrival import Arrival, read_span
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.store.prices import PricesAtHand
from aiplatform.tracing.store.settling import sum_up
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, project_of, rows

MAX_TRACES: Final = 50
MAX_SPANS: Final = 5_000
"""Of one piece: it ends with the trace that reaches this, so that other writers wait for moments only."""

_TRACES: Final = (
    f"SELECT trace_id, num_spans FROM traces WHERE {IN_PROJECT} AND trace_id > :after AND last_day >= :day "  # noqa: S608
    f"AND (kinds <> '' OR input_tokens IS NOT NULL OR output_tokens IS NOT NULL) ORDER BY trace_id LIMIT {MAX_TRACES}"
)
_CHANGE: Final = (
    f"UPDATE spans SET cost = :cost, currency = :currency, input_tokens = :input_tokens "  # noqa: S608 - constants
    f"WHERE {IN_PROJECT} AND trace_id = :trace_id AND span_id = :span_id AND day = :day"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricedPiece:
    """What became of one piece of a project's traces."""

    num_spans: int
    """Looked at."""

    num_changed: int
    """Whose cost, or whose count of input, is another now."""

    next: str | None
    """Where the next piece begins; None after the last one."""


def reprice(tx: Transaction, *, since_ns: int, after: str) -> RepricedPiece:
    """Price one piece of the project's spans again. Doing it twice changes nothing.

    Args:
        tx: A write transaction of a project.
        since_ns: Only spans that started then or later.
        after: The `next` of the piece before; empty for the first.
    """
    found = rows(tx, _TRACES, after=after, day=since_ns // DAY_NS)
    chosen: list[str] = []
    num_spans = 0
    for row in found:
        chosen.append(row.trace_id)
        num_spans += row.num_spans
        if num_spans >= MAX_SPANS:
            break
    looked_at, changes = _changes(tx, chosen, since_ns)
    if changes:
        tx.raw(_CHANGE, changes)
        for trace_id in sorted({change["trace_id"] for change in changes}):
            sum_up(tx, trace_id)
    is_last = len(found) < MAX_TRACES and len(chosen) == len(found)
    return RepricedPiece(
        num_spans=looked_at, num_changed=len(changes), next=None if is_last or not chosen else chosen[-1]
    )


def _changes(tx: Transaction, trace_ids: list[str], since_ns: int) -> tuple[int, list[dict[str, Any]]]:
    sql = (
        "SELECT trace_id, span_id, day, service, resource_key, cost, currency, input_tokens, raw FROM spans "  # noqa: S608
        f"WHERE {IN_PROJECT} AND {any_of(tx, 'trace_id', 'trace_ids')} AND day >= :day AND start_ns >= :since_ns "
        "AND (kind <> 'other' OR input_tokens IS NOT NULL OR output_tokens IS NOT NULL)"
    )
    stored = rows(tx, sql, trace_ids=listed(tx, trace_ids), day=since_ns // DAY_NS, since_ns=since_ns)
    spans = [(row, read_span(SpanMessage.FromString(bytes(row.raw)), row.service, row.resource_key)) for row in stored]
    prices = PricesAtHand()
    prices.put_on(tx, (span for _, span in spans))
    return len(spans), [_change(tx, row, span) for row, span in spans if _differs(row, span)]


def _differs(row: Any, span: Arrival) -> bool:
    return (row.cost, row.currency, row.input_tokens) != (span.cost, span.currency, span.input_tokens)


def _change(tx: Transaction, row: Any, span: Arrival) -> dict[str, Any]:
    return {
        "project_id": project_of(tx),
        "trace_id": row.trace_id,
        "span_id": row.span_id,
        "day": row.day,
        "cost": span.cost,
        "currency": span.currency,
        "input_tokens": span.input_tokens,
    }
