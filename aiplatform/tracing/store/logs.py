"""Log records of spans: written beside them, and joined to them in whatever order the two arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import update

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import span_logs, traces
from aiplatform.tracing.arrival import Arrival
from aiplatform.tracing.log_records import LogArrival, joined
from aiplatform.tracing.model import DAY_NS, SpanKind
from aiplatform.tracing.preview import previews
from aiplatform.tracing.store.statements import each_by_key, rows

COLUMNS: Final = ("trace_id", "span_id", "log_key", "day", "time_ns", "position", "raw")
TELLING_KINDS: Final = frozenset({SpanKind.LLM.value, SpanKind.AGENT.value, SpanKind.CHAIN.value})
"""Kinds of spans whose previews may stand for their trace, and whose messages log records may hold."""

SpanKey = tuple[str, str]
"""Trace id and span id."""


def distinct(arrivals: Iterable[LogArrival]) -> list[LogArrival]:
    """Each record once, in the order of their keys, so that two writers never wait for each other in a circle."""
    found = {(one.trace_id, one.span_id, one.log_key): one for one in arrivals}
    return [found[key] for key in sorted(found)]


def insert_logs(tx: Transaction, arrivals: Sequence[LogArrival]) -> None:
    """Store records; one that is there already changes nothing."""
    if arrivals:
        tx.insert_rows(span_logs, COLUMNS, [_row(one) for one in arrivals])


def logs_of(tx: Transaction, keys: Sequence[SpanKey]) -> Mapping[SpanKey, list[bytes]]:
    """The raw records of some spans, in their order."""
    if not keys:
        return {}
    source, parameters = _listed(tx, keys, "span_logs")
    sql = (
        f"SELECT s.trace_id, s.span_id, s.raw FROM {source} "  # noqa: S608 - constants
        "WHERE s.tenant_id = :tenant_id AND s.project_id = :project_id ORDER BY s.time_ns, s.position, s.log_key"
    )
    found: dict[SpanKey, list[bytes]] = {}
    for row in rows(tx, sql, **parameters):
        found.setdefault((row.trace_id, row.span_id), []).append(bytes(row.raw))
    return found


class WaitingLogs:
    """The records that came before the spans of a batch, read when the first of these spans is found to need them.

    Args:
        tx: The transaction that writes the batch.
        batch: Spans by trace.
    """

    def __init__(self, tx: Transaction, batch: Mapping[str, Sequence[Arrival]]) -> None:
        self._tx = tx
        self._batch = batch
        self._found: Mapping[SpanKey, Sequence[bytes]] | None = None

    def previews_of(self, span: Arrival) -> tuple[str | None, str | None]:
        """A span's previews; its records are asked only where it may stand for its trace and says too little itself."""
        shown = previews(span.raw)
        if all(shown) or span.kind not in TELLING_KINDS:
            return shown
        if self._found is None:
            spans = (one for arrivals in self._batch.values() for one in arrivals)
            self._found = logs_of(self._tx, [(one.trace_id, one.span_id) for one in spans if one.kind in TELLING_KINDS])
        records = self._found.get((span.trace_id, span.span_id))
        return previews(joined(span.raw, records)) if records else shown


def join_logs(tx: Transaction, arrivals: Sequence[LogArrival], known: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Let records tell of spans that are there already: their traces' previews are filled in where they are empty.

    Args:
        tx: A write transaction; the records are in.
        arrivals: The records.
        known: Summaries of the traces that were there before, locked.

    Returns:
        Trace id, span id and day of the spans that have become richer, for the text index to read again.
    """
    keys = sorted({(one.trace_id, one.span_id) for one in arrivals if one.trace_id in known})
    if not keys:
        return []
    source, parameters = _listed(tx, keys, "spans")
    days = [(known[trace_id].first_day, known[trace_id].last_day) for trace_id, _ in keys]
    sql = (
        f"SELECT s.trace_id, s.span_id, s.day, s.start_ns, s.raw FROM {source} "  # noqa: S608 - constants
        "WHERE s.tenant_id = :tenant_id AND s.project_id = :project_id AND s.day BETWEEN :first_day AND :last_day "
        "ORDER BY s.start_ns, s.span_id"
    )
    first_day, last_day = min(first for first, _ in days), max(last for _, last in days)
    found = rows(tx, sql, first_day=first_day, last_day=last_day, **parameters)
    said = logs_of(tx, [(row.trace_id, row.span_id) for row in found])
    for trace_id in sorted({row.trace_id for row in found}):
        _fill_previews(tx, known[trace_id], [row for row in found if row.trace_id == trace_id], said)
    return [(row.trace_id, row.span_id, row.day) for row in found]


def _fill_previews(tx: Transaction, trace: Any, spans: Sequence[Any], said: Mapping[SpanKey, Sequence[bytes]]) -> None:
    shown = trace.input_preview, trace.output_preview
    for row in sorted(spans, key=lambda row: row.span_id != trace.root_span_id):
        if all(shown):
            return
        found = previews(joined(bytes(row.raw), said.get((row.trace_id, row.span_id), ())))
        shown = shown[0] or found[0], shown[1] or found[1]
    values = {"input_preview": shown[0], "output_preview": shown[1]}
    tx.execute(update(traces).where(traces.c.trace_id == trace.trace_id).values(values))


def _listed(tx: Transaction, keys: Sequence[SpanKey], table: str) -> tuple[str, dict[str, Any]]:
    """Source of a statement over the rows `s` of some spans, and its parameters."""
    if tx.dialect == "sqlite":
        # CROSS keeps the order of the join: without statistics SQLite would walk the whole table for each key.
        source = f"json_each(:keys) k CROSS JOIN {table} s ON s.trace_id = k.value ->> 0 AND s.span_id = k.value ->> 1"
        return source, {"keys": json.dumps(keys)}
    arrays = "CAST(:trace_ids AS text[]), CAST(:span_ids AS text[])"
    source = f"unnest({arrays}) k(trace_id, span_id) {each_by_key(table, 'trace_id, span_id')}"
    return source, {"trace_ids": [key[0] for key in keys], "span_ids": [key[1] for key in keys]}


def _row(one: LogArrival) -> tuple[Any, ...]:
    return one.trace_id, one.span_id, one.log_key, one.time_ns // DAY_NS, one.time_ns, one.position, one.raw
