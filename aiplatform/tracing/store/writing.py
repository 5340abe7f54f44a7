"""One batch of spans into the store, together with the summaries of the traces they belong to.

A span that is there already is left as it is; a finished one replaces the pending form of itself, never the reverse.
Summaries are summed anew from the whole trace, so they come out the same whatever the order of arrival, except for
traces above `LARGE_TRACE` spans: theirs are carried forward here and summed by the worker, because summing 50,000
spans for each batch of 512 would make the cost of a trace quadratic. So are those of a trace whose spans have left for
a file: their ids are known here, so that each span counts once, and the worker brings the rest back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import span_changes, span_resources, spans, traces
from aiplatform.tracing.arrival import Arrival
from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.otlp import Export
from aiplatform.tracing.preview import previews
from aiplatform.tracing.store.cold import cold_spans_of, unsettle
from aiplatform.tracing.store.logs import TELLING_KINDS, WaitingLogs, distinct, insert_logs, join_logs
from aiplatform.tracing.store.prices import PricesAtHand
from aiplatform.tracing.store.scores import put_score
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, any_of, listed, rows, run
from aiplatform.tracing.tree import (
    TOKEN_NAMES,
    Figures,
    StoredBone,
    add_costs,
    add_tokens,
    figures,
    leaf_costs,
    leaf_tokens,
    root_of,
)

LARGE_TRACE: Final = 4_096

SPAN_COLUMNS: Final = (
    "trace_id", "span_id", "day", "parent_id", "name", "kind", "status", "start_ns", "duration_ns", "service", "model",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost", "currency",
    "error", "resource_key", "raw",
)  # fmt: skip
TRACE_COLUMNS: Final = (
    "trace_id", "name", "status", "start_ns", "duration_ns", "root_span_id", "has_root", "num_spans", "num_errors",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    "cost", "currency", "costs", "input_preview", "output_preview", "models", "kinds", "service", "session_id",
    "user_id", "first_day", "last_day", "updated_ns", "is_settled",
)  # fmt: skip
_EMPTY: Final[dict[str, Any]] = {
    "status": "", "start_ns": 0, "duration_ns": 0, "has_root": False, "num_spans": 0, "num_errors": 0, "models": "",
    "kinds": "", "first_day": 0, "last_day": 0, "updated_ns": 0, "is_settled": True,
}  # fmt: skip
EMPTY_COLUMNS: Final = ("trace_id", *_EMPTY)
EMPTY_VALUES: Final = tuple(_EMPTY.values())
ERASED: Final = "erased"
"""Status of the mark that an erased trace leaves: an empty summary, for which nothing is stored any more."""

_PREVIOUS: Final = ", ".join(TRACE_COLUMNS)


def write(
    tx: Transaction, exports: Sequence[Export], *, change_id: str, now_ns: int, prices: PricesAtHand | None = None
) -> int:
    """Store what some requests send to one project; returns how many spans were new.

    Args:
        tx: A write transaction of that project.
        exports: At least one.
        change_id: A fresh id of this batch, for the text index to follow.
        now_ns: The platform's clock.
        prices: What this process remembers of prices from batch to batch.
    """
    prices = prices or PricesAtHand()
    prices.begin()
    batch = _one_of_each(span for export in exports for span in export.spans)
    records = distinct(record for export in exports for record in export.logs)
    judged = sorted((score for export in exports for score in export.scores), key=lambda score: score.score_id)
    touched = sorted({*batch, *(record.trace_id for record in records), *(score.trace_id for score in judged)})
    if not touched:
        return 0
    # Traces of log records are locked too: of a span and its record, which two writers have, the later one joins them.
    before, erased = _lock_traces(tx, touched)
    records = [record for record in records if record.trace_id not in erased]
    insert_logs(tx, records)
    for score in judged:
        if score.trace_id not in erased:
            put_score(tx, score)
    waiting = WaitingLogs(tx, batch)
    fresh: list[Arrival] = []
    summaries: list[tuple[Any, ...]] = []
    cold = cold_spans_of(tx, before, now_ns)
    small = [trace_id for trace_id, row in before.items() if row.num_spans <= LARGE_TRACE and trace_id in batch]
    known = _stored_bones(tx, small)
    for trace_id, arrivals in batch.items():
        if trace_id in erased:
            continue
        previous = before.get(trace_id)
        is_large = previous is not None and (previous.num_spans > LARGE_TRACE or trace_id in cold)
        stored = _stored_among(tx, trace_id, arrivals) if is_large else known.get(trace_id, {})
        running = {span_id: bone.duration_ns is None for span_id, bone in stored.items()}
        new, replaced = _news(tx, trace_id, arrivals, {**cold.get(trace_id, {}), **running})
        if not new:
            continue
        prices.put_on(tx, new)
        fresh.extend(new)
        if is_large:
            summed = _carried_forward(previous, new, len(replaced))
        else:
            kept = [bone for span_id, bone in stored.items() if span_id not in replaced]
            summed = figures([*kept, *new])
        summaries.append(_summary(tx, trace_id, summed, new, previous, waiting, now_ns, is_settled=not is_large))
    if fresh:
        _insert_resources(tx, exports, {span.resource_key for span in fresh})
        tx.insert_rows(spans, SPAN_COLUMNS, [_span_row(span) for span in fresh])
        tx.insert_rows(traces, TRACE_COLUMNS, summaries, replace=True)
    if told := cold.keys() & {record.trace_id for record in records}:
        unsettle(tx, told)
    richer = join_logs(tx, records, _summaries(tx, {record.trace_id for record in records})[0])
    changed = dict.fromkeys([*((span.trace_id, span.span_id, span.day) for span in fresh), *richer])
    if changed:
        change = (change_id, now_ns, len(changed), b"".join(key_of(*key) for key in changed))
        tx.insert_rows(span_changes, ("change_id", "created_ns", "num_spans", "keys"), [change])
    return len(fresh)


def figure_values(summed: Figures) -> dict[str, Any]:
    """Columns of `traces` that figures fill."""
    return {
        **dict(zip(TOKEN_NAMES, summed.tokens, strict=True)),
        **_cost_values(summed.costs),
        "name": summed.name,
        "status": summed.status,
        "start_ns": summed.start_ns,
        "duration_ns": summed.end_ns - summed.start_ns,
        "root_span_id": summed.root_span_id,
        "has_root": summed.has_root,
        "num_spans": summed.num_spans,
        "num_errors": summed.num_errors,
        "models": joined(summed.models),
        "kinds": joined(summed.kinds),
        "service": summed.service,
        "first_day": summed.first_day,
        "last_day": summed.last_day,
    }


def _cost_values(costs: Mapping[str, float]) -> dict[str, Any]:
    """One currency is a figure that can be compared; several are kept apart and never added."""
    if len(costs) == 1:
        ((currency, amount),) = costs.items()
        return {"cost": amount, "currency": currency, "costs": None}
    return {"cost": None, "currency": None, "costs": json.dumps(costs) if costs else None}


def costs_in(row: Any) -> dict[str, float]:
    """A trace's costs by currency, from its row."""
    if row.costs:
        found: dict[str, float] = json.loads(row.costs)
        return found
    return {} if row.cost is None or row.currency is None else {row.currency: row.cost}


def joined(words: Iterable[str]) -> str:
    """Words as one text in which a whole word can be looked for: each between line feeds."""
    found = "\n".join(word.replace("\n", " ") for word in words)
    return f"\n{found}\n" if found else ""


def split(words: str) -> tuple[str, ...]:
    """The words that `joined` put together."""
    return tuple(words.strip("\n").split("\n")) if words else ()


def _one_of_each(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    """Spans by trace, each id once: the first finished form, else the first pending one."""
    found: dict[str, dict[str, Arrival]] = {}
    for span in arrivals:
        by_id = found.setdefault(span.trace_id, {})
        known = by_id.get(span.span_id)
        if known is None or (known.is_running and not span.is_running):
            by_id[span.span_id] = span
    return {trace_id: list(by_id.values()) for trace_id, by_id in found.items()}


def _lock_traces(tx: Transaction, trace_ids: Sequence[str]) -> tuple[dict[str, Any], set[str]]:
    """The summaries there are, locked against other writers until the commit; and the traces that were erased.

    SQLite has one writer at a time. On PostgreSQL an empty summary is put where none is, because a row that does not
    exist cannot be locked; ids are taken in their order, so that two writers never wait for each other in a circle.
    """
    tail = ""
    if tx.dialect == "postgresql":
        tx.insert_rows(traces, EMPTY_COLUMNS, [(trace_id, *EMPTY_VALUES) for trace_id in trace_ids])
        tail = " ORDER BY trace_id FOR UPDATE"
    return _summaries(tx, trace_ids, tail)


def _summaries(tx: Transaction, trace_ids: Iterable[str], tail: str = "") -> tuple[dict[str, Any], set[str]]:
    """The summaries of traces that have spans, and which traces were erased."""
    wanted = list(trace_ids)
    if not wanted:
        return {}, set()
    condition = any_of(tx, "trace_id", "trace_ids")
    sql = f"SELECT {_PREVIOUS} FROM traces WHERE {IN_PROJECT} AND {condition}{tail}"  # noqa: S608 - constants
    found = rows(tx, sql, trace_ids=listed(tx, wanted))
    erased = {row.trace_id for row in found if row.status == ERASED}
    return {row.trace_id: row for row in found if row.num_spans > 0}, erased


def _stored_bones(tx: Transaction, trace_ids: Sequence[str]) -> dict[str, dict[str, StoredBone]]:
    if not trace_ids:
        return {}
    condition = any_of(tx, "trace_id", "trace_ids")
    sql = f"SELECT trace_id, {BONE_COLUMNS} FROM spans WHERE {IN_PROJECT} AND {condition}"  # noqa: S608 - constants
    found: dict[str, dict[str, StoredBone]] = {}
    for trace_id, *values in rows(tx, sql, trace_ids=listed(tx, trace_ids)):
        bone = StoredBone(*values)
        found.setdefault(trace_id, {})[bone.span_id] = bone
    return found


def _stored_among(tx: Transaction, trace_id: str, arrivals: Sequence[Arrival]) -> dict[str, StoredBone]:
    condition = any_of(tx, "span_id", "span_ids")
    sql = (
        f"SELECT {BONE_COLUMNS} FROM spans "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND trace_id = :trace_id AND {condition}"
    )
    ids = listed(tx, (span.span_id for span in arrivals))
    found = (StoredBone(*row) for row in rows(tx, sql, trace_id=trace_id, span_ids=ids))
    return {bone.span_id: bone for bone in found}


def _news(
    tx: Transaction, trace_id: str, arrivals: Sequence[Arrival], running: Mapping[str, bool]
) -> tuple[list[Arrival], set[str]]:
    """The arrivals to insert, and the ids of pending spans that were taken away for them.

    Args:
        tx: The transaction that writes.
        trace_id: Whose spans.
        arrivals: What came.
        running: The spans that are stored, and whether each is pending.
    """
    new: list[Arrival] = []
    replaced: set[str] = set()
    for span in arrivals:
        known = running.get(span.span_id)
        if known is None:
            new.append(span)
        elif known and not span.is_running:
            new.append(span)
            replaced.add(span.span_id)
    for span_id in replaced:
        sql = f"DELETE FROM spans WHERE {IN_PROJECT} AND trace_id = :trace_id AND span_id = :span_id"  # noqa: S608
        run(tx, sql, trace_id=trace_id, span_id=span_id)
    return new, replaced


def _summary(
    tx: Transaction,
    trace_id: str,
    summed: Figures,
    new: Sequence[Arrival],
    previous: Any,
    waiting: WaitingLogs,
    now_ns: int,
    *,
    is_settled: bool,
) -> tuple[Any, ...]:
    shown_in, shown_out = _previews(tx, trace_id, summed.root_span_id, new, previous, waiting)
    more: dict[str, Any] = {
        "input_preview": shown_in,
        "output_preview": shown_out,
        "session_id": (previous and previous.session_id) or _first_said(new, "session_id"),
        "user_id": (previous and previous.user_id) or _first_said(new, "user_id"),
        "updated_ns": now_ns,
        "is_settled": is_settled,
        "trace_id": trace_id,
    }
    values = figure_values(summed) | more
    return tuple(values[column] for column in TRACE_COLUMNS)


def _previews(
    tx: Transaction,
    trace_id: str,
    root_span_id: str,
    new: Sequence[Arrival],
    previous: Any,
    waiting: WaitingLogs,
) -> tuple[str | None, str | None]:
    """What the root says went in and out; where it says nothing (a web server's span), what the first calls do."""
    root = next((span for span in new if span.span_id == root_span_id), None)
    if root is None and previous is not None and previous.root_span_id == root_span_id:
        shown = previous.input_preview, previous.output_preview
    else:
        shown = waiting.previews_of(root) if root is not None else previews(_stored_raw(tx, trace_id, root_span_id))
        if previous is not None:
            # A root that says nothing comes after calls that did: what they said stays.
            shown = (shown[0] or previous.input_preview, shown[1] or previous.output_preview)
    if all(shown) or not any(span.kind != SpanKind.OTHER.value for span in new):
        return shown
    telling = sorted(
        (span for span in new if span.kind in TELLING_KINDS),
        key=lambda span: span.start_ns,
    )
    for span in islice(telling, 4):
        found = waiting.previews_of(span)
        shown = (shown[0] or found[0], shown[1] or found[1])
    return shown


def _stored_raw(tx: Transaction, trace_id: str, span_id: str) -> bytes:
    sql = f"SELECT raw FROM spans WHERE {IN_PROJECT} AND trace_id = :trace_id AND span_id = :span_id"  # noqa: S608
    found = rows(tx, sql, trace_id=trace_id, span_id=span_id)
    return bytes(found[0].raw) if found else b""


def _carried_forward(previous: Any, new: Sequence[Arrival], num_replaced: int) -> Figures:
    """Figures of a large trace with some more spans; exact in what can be added, near in the rest until it settles."""
    arrived = figures(new)
    root, is_root = root_of(new)
    takes_root = is_root and (not previous.has_root or root.start_ns < previous.start_ns)
    start_ns = min(previous.start_ns, arrived.start_ns)
    old_tokens = (previous.input_tokens, previous.output_tokens, previous.cache_read_tokens,
                  previous.cache_write_tokens, previous.reasoning_tokens)  # fmt: skip
    return replace(
        arrived,
        root_span_id=root.span_id if takes_root else previous.root_span_id,
        has_root=previous.has_root or is_root,
        name=root.name if takes_root else previous.name,
        status=root.status if takes_root else previous.status,
        service=root.service if takes_root else previous.service,
        start_ns=start_ns,
        end_ns=max(previous.start_ns + previous.duration_ns, arrived.end_ns),
        num_spans=previous.num_spans + len(new) - num_replaced,
        num_errors=previous.num_errors + arrived.num_errors,
        tokens=add_tokens(old_tokens, leaf_tokens(new)),
        costs=add_costs(costs_in(previous), leaf_costs(new)),
        models=tuple(sorted({*split(previous.models), *arrived.models})),
        kinds=tuple(sorted({*split(previous.kinds), *arrived.kinds})),
        first_day=min(previous.first_day, arrived.first_day),
        last_day=max(previous.last_day, arrived.last_day),
    )


def _insert_resources(tx: Transaction, exports: Sequence[Export], keys: set[str]) -> None:
    found = {key: value for export in exports for key, value in export.resources.items() if key in keys}
    values = [(key, resource, scope) for key, (resource, scope) in sorted(found.items())]
    tx.insert_rows(span_resources, ("resource_key", "resource", "scope"), values)


def _span_row(span: Arrival) -> tuple[Any, ...]:
    return (
        span.trace_id, span.span_id, span.day, span.parent_id, span.name, span.kind, span.status, span.start_ns,
        span.duration_ns, span.service, span.model, span.input_tokens, span.output_tokens, span.cache_read_tokens,
        span.cache_write_tokens, span.reasoning_tokens, span.cost, span.currency, span.error, span.resource_key,
        span.raw,
    )  # fmt: skip


def key_of(trace_id: str, span_id: str, day: int) -> bytes:
    """A span's key as changes hold it."""
    return bytes.fromhex(trace_id + span_id) + day.to_bytes(4, "big", signed=True)


def _first_said(spans_: Sequence[Arrival], name: str) -> str | None:
    return next((value for span in spans_ if (value := getattr(span, name))), None)
