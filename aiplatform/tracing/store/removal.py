"""Whole traces, or everything of a scope, gone: spans, log records, summaries, scores, texts.

The text index follows the changes that a removal leaves behind, as it follows a write: whoever is killed between the
two leaves work to be done, and nothing half done. A file in the artifact store that held one of the traces is written
anew without it by `tracing.cold`. Of an erased trace a mark stays, an empty summary without a word of what it held, so
that spans of it which arrive late are not stored again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select

from aiplatform.core.ids import new_id
from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import (
    attribute_values,
    cold_files,
    cold_traces,
    model_prices,
    resource_values,
    scores,
    span_attributes,
    span_changes,
    span_logs,
    span_resources,
    span_texts,
    spans,
    trace_labels,
    traces,
)
from aiplatform.tracing.store.cold import leave
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows, run
from aiplatform.tracing.store.writing import EMPTY_COLUMNS, EMPTY_VALUES, ERASED, key_of

MAX_TRACES: Final = 200
MAX_SPANS: Final = 5_000
"""Traces and spans of one piece, unless a single trace has more: what is removed under one lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """How much went."""

    num_traces: int = 0
    num_spans: int = 0
    num_scores: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            num_traces=self.num_traces + other.num_traces,
            num_spans=self.num_spans + other.num_spans,
            num_scores=self.num_scores + other.num_scores,
        )


def traces_where(tx: Transaction, conditions: Sequence[ColumnElement[bool]]) -> list[str]:
    """The traces of one piece, the oldest that meet the conditions."""
    statement = (
        select(traces.c.trace_id, traces.c.num_spans)
        .where(traces.c.num_spans > 0, *conditions)
        .order_by(traces.c.start_ns, traces.c.trace_id)
        .limit(MAX_TRACES)
    )
    found: list[str] = []
    num_spans = 0
    for row in tx.execute(statement):
        num_spans += row.num_spans
        if found and num_spans > MAX_SPANS:
            break
        found.append(row.trace_id)
    return found


def count_where(tx: Transaction, conditions: Sequence[ColumnElement[bool]]) -> tuple[int, int, int | None, int | None]:
    """How many traces and spans meet the conditions, and when the first and the last of them began."""
    columns: list[Any] = [
        func.count(),
        func.coalesce(func.sum(traces.c.num_spans), 0),
        func.min(traces.c.start_ns),
        func.max(traces.c.start_ns),
    ]
    found: Any = tx.execute(select(*columns).where(traces.c.num_spans > 0, *conditions)).one()
    return int(found[0]), int(found[1]), found[2], found[3]


def remove_traces(
    tx: Transaction,
    trace_ids: Sequence[str],
    conditions: Sequence[ColumnElement[bool]] = (),
    *,
    now_ns: int,
    leaves_marks: bool = False,
) -> Removed:
    """Remove traces with everything that hangs on them.

    Args:
        tx: A write transaction of their project.
        trace_ids: Which; those that are not there are left out.
        conditions: What must still hold of each, now that nobody can change it.
        now_ns: The platform's clock.
        leaves_marks: Whether late spans of them are to be dropped from now on.
    """
    statement = (
        select(traces.c.trace_id, traces.c.first_day, traces.c.last_day)
        .where(traces.c.trace_id.in_(trace_ids), traces.c.num_spans > 0, *conditions)
        .order_by(traces.c.trace_id)  # writers take them in this order too
        .with_for_update()  # SQLite has one writer anyway, and its dialect leaves this out
    )
    found = tx.execute(statement).fetchall()
    if not found:
        return Removed()
    wanted = listed(tx, [row.trace_id for row in found])
    days = {"first_day": min(row.first_day for row in found), "last_day": max(row.last_day for row in found)}
    condition = any_of(tx, "trace_id", "trace_ids")
    num_hot = take_spans(tx, [row.trace_id for row in found], **days, now_ns=now_ns)
    num_cold = sum(place.num_spans for place in leave(tx, [row.trace_id for row in found]))
    num_scores = run(tx, f"DELETE FROM scores WHERE {IN_PROJECT} AND {condition}", trace_ids=wanted)  # noqa: S608
    for table in ("span_logs", "trace_labels", "traces"):
        run(tx, f"DELETE FROM {table} WHERE {IN_PROJECT} AND {condition}", trace_ids=wanted)  # noqa: S608 - constants
    if leaves_marks:
        mark_erased(tx, [row.trace_id for row in found], now_ns=now_ns)
    return Removed(num_traces=len(found), num_spans=num_hot + num_cold, num_scores=num_scores)


def take_spans(tx: Transaction, trace_ids: Sequence[str], *, first_day: int, last_day: int, now_ns: int) -> int:
    """Take the spans of traces away, and what the index holds of them; summaries stay. Returns how many went.

    Args:
        tx: A write transaction of their project that has locked them.
        trace_ids: Which.
        first_day: No span of them lies before this day (days since 1970).
        last_day: Nor after this one.
        now_ns: The platform's clock.
    """
    condition = any_of(tx, "trace_id", "trace_ids")
    of_spans = f"FROM spans WHERE {IN_PROJECT} AND {condition} AND day BETWEEN :first_day AND :last_day"
    given: dict[str, Any] = {"trace_ids": listed(tx, trace_ids), "first_day": first_day, "last_day": last_day}
    keys = rows(tx, f"SELECT trace_id, span_id, day {of_spans}", **given)
    run(tx, f"DELETE {of_spans}", **given)
    for table in ("span_texts", "span_attributes"):
        run(tx, f"DELETE FROM {table} WHERE {IN_PROJECT} AND {condition}", trace_ids=given["trace_ids"])  # noqa: S608
    tell_index(tx, [(row.trace_id, row.span_id, row.day) for row in keys], now_ns)
    return len(keys)


def remove_scores(tx: Transaction, trace_id: str) -> int:
    """Remove the scores of a trace that may never have arrived; returns how many."""
    return tx.execute(delete(scores).where(scores.c.trace_id == trace_id)).rowcount


def mark_erased(tx: Transaction, trace_ids: Sequence[str], *, now_ns: int) -> None:
    """Leave marks of traces without a summary: what arrives for them is dropped."""
    condition = any_of(tx, "trace_id", "trace_ids")
    # Records may have come before any span did.
    run(tx, f"DELETE FROM span_logs WHERE {IN_PROJECT} AND {condition}", trace_ids=listed(tx, trace_ids))  # noqa: S608
    changed = {"status": ERASED, "updated_ns": now_ns}
    values = tuple(changed.get(name, value) for name, value in zip(EMPTY_COLUMNS[1:], EMPTY_VALUES, strict=True))
    tx.insert_rows(traces, EMPTY_COLUMNS, [(trace_id, *values) for trace_id in trace_ids], replace=True)


def is_erased(tx: Transaction, trace_id: str) -> bool:
    """Whether a trace was erased."""
    found = tx.execute(select(traces.c.status).where(traces.c.trace_id == trace_id)).first()
    return found is not None and found.status == ERASED


def delete_scope(tx: Transaction) -> None:
    """Delete every row that the transaction's scope reaches. Repeating it changes nothing."""
    for table in (
        trace_labels, scores, span_changes, span_logs, span_texts, span_attributes, resource_values, attribute_values,
        spans, span_resources, traces, cold_traces, cold_files,
    ):  # fmt: skip
        tx.execute(delete(table))
    if tx.scope.project_id is None:  # prices belong to the tenant as a whole
        tx.execute(delete(model_prices))


def tell_index(tx: Transaction, keys: Sequence[tuple[str, str, int]], now_ns: int) -> None:
    """Have the text index look again at spans that came or went otherwise than by a write.

    Args:
        tx: A write transaction.
        keys: Trace id, span id and day of each.
        now_ns: The platform's clock.
    """
    for start in range(0, len(keys), MAX_SPANS):
        part = keys[start : start + MAX_SPANS]
        packed = b"".join(key_of(*key) for key in part)
        change = (new_id("change", now_ns), now_ns, len(part), packed)
        tx.insert_rows(span_changes, ("change_id", "created_ns", "num_spans", "keys"), [change])
