"""Everything that a filter finds, read piece by piece, so that a large export needs no more memory than a small one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement

from aiplatform.storage.database import Transaction
from aiplatform.tracing.log_records import joined
from aiplatform.tracing.model import SpanDetail, TraceFilter, TraceSort, TraceSummary
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.store.listing import ColdMatches, list_traces
from aiplatform.tracing.store.logs import logs_of
from aiplatform.tracing.store.rows import span_of
from aiplatform.tracing.store.statements import BONE_COLUMNS, IN_PROJECT, any_of, each_by_key, listed, rows

if TYPE_CHECKING:
    from aiplatform.tracing.textindex import Matches

PAGE_TRACES: Final = 200
KEYS_AT_ONCE: Final = 5_000
PIECE_SPANS: Final = 256
PIECE_BYTES: Final = 8 * 2**20
"""Raw spans that are held together, unless a single one is larger."""

MAX_RESOURCES: Final = 256

_Key = tuple[str, str, int]
Whole = Callable[[Transaction, Sequence[str]], AbstractContextManager[Transaction]]
"""Gives a transaction that sees all spans of some traces, wherever they lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which traces an export holds."""

    where: TraceFilter
    matches: Matches | None
    """Traces in which the filter's words occur; None where it has none."""

    condition: ColumnElement[bool] | None = None
    """What `query_condition` made of the filter's query."""

    cold: ColdMatches | None = None
    """Cold traces that meet words and query; None where neither looks into spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSpan:
    """A span as an export shows it."""

    detail: SpanDetail
    cost: float | None
    size_bytes: int
    """Of its raw form."""


@dataclass(slots=True)
class _Resources:
    """Resources met so far: most spans of a project share a few."""

    found: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def of(self, tx: Transaction, keys: Iterable[str]) -> Mapping[str, tuple[bytes, bytes]]:
        """The resource and the scope behind each key."""
        wanted = set(keys)
        missing = wanted - self.found.keys()
        if len(self.found) + len(missing) > MAX_RESOURCES:
            self.found.clear()
            missing = wanted
        condition = any_of(tx, "resource_key", "keys")
        sql = f"SELECT resource_key, resource, scope FROM span_resources WHERE {IN_PROJECT} AND {condition}"  # noqa: S608
        for row in rows(tx, sql, keys=listed(tx, missing)) if missing else ():
            self.found[row.resource_key] = (bytes(row.resource), bytes(row.scope))
        return self.found


def trace_pages(tx: Transaction, narrowed: Narrowing) -> Iterator[Sequence[TraceSummary]]:
    """The traces of a filter, oldest first."""
    page: str | None = None
    while True:
        found = list_traces(
            tx,
            narrowed.where,
            matches=narrowed.matches,
            condition=narrowed.condition,
            cold=narrowed.cold,
            sort=TraceSort.OLDEST,
            limit=PAGE_TRACES,
            page=page,
        )
        if found.items:
            yield found.items
        page = found.next
        if page is None:
            return


def span_pieces(tx: Transaction, summaries: Sequence[TraceSummary], whole: Whole) -> Iterator[Sequence[ExportedSpan]]:
    """The spans of some traces; those of one trace stand next to each other, by start where they are few."""
    resources = _Resources()
    for group in _groups(summaries):
        place = {summary.trace_id: index for index, summary in enumerate(group)}
        with whole(tx, list(place)) as own:
            for keys in _keys(own, group):
                keys.sort(key=lambda row: (place[row.trace_id], row.start_ns, row.span_id))
                for piece in _pieces(keys):
                    yield _read(own, piece, resources)


def _groups(summaries: Sequence[TraceSummary]) -> Iterator[list[TraceSummary]]:
    """Traces whose keys are read together: as many as have few spans, or one that has many."""
    group: list[TraceSummary] = []
    num_spans = 0
    for summary in summaries:
        if group and num_spans + summary.num_spans > KEYS_AT_ONCE:
            yield group
            group, num_spans = [], 0
        group.append(summary)
        num_spans += summary.num_spans
    if group:
        yield group


def _keys(tx: Transaction, group: Sequence[TraceSummary]) -> Iterator[list[Any]]:
    # The days bound the search: without them every day's partition would be opened.
    days = {"first_day": min(one.first_day for one in group), "last_day": max(one.last_day for one in group)}
    sql = (
        "SELECT trace_id, span_id, day, start_ns, length(raw) AS size_bytes FROM spans "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND {any_of(tx, 'trace_id', 'trace_ids')} AND day BETWEEN :first_day AND :last_day "
        "AND (trace_id, span_id, day) > (:trace_id, :span_id, :day) ORDER BY trace_id, span_id, day LIMIT :limit"
    )
    trace_ids = listed(tx, [summary.trace_id for summary in group])
    last: _Key = ("", "", 0)
    while True:
        found = [
            *rows(
                tx, sql, trace_ids=trace_ids, trace_id=last[0], span_id=last[1], day=last[2], limit=KEYS_AT_ONCE, **days
            )
        ]
        if found:
            last = (found[-1].trace_id, found[-1].span_id, found[-1].day)
            yield found
        if len(found) < KEYS_AT_ONCE:
            return


def _pieces(keys: Sequence[Any]) -> Iterator[list[Any]]:
    piece: list[Any] = []
    size_bytes = 0
    for row in keys:
        if piece and (len(piece) >= PIECE_SPANS or size_bytes + row.size_bytes > PIECE_BYTES):
            yield piece
            piece, size_bytes = [], 0
        piece.append(row)
        size_bytes += row.size_bytes
    if piece:
        yield piece


def _read(tx: Transaction, keys: Sequence[Any], resources: _Resources) -> list[ExportedSpan]:
    if tx.dialect == "sqlite":
        source = "json_each(:keys) k CROSS JOIN spans s ON s.trace_id = k.value ->> 0 AND s.span_id = k.value ->> 1"
        source += " AND s.day = k.value ->> 2"
        given: dict[str, Any] = {"keys": json.dumps([(row.trace_id, row.span_id, row.day) for row in keys])}
    else:
        arrays = "CAST(:trace_ids AS text[]), CAST(:span_ids AS text[]), CAST(:days AS integer[])"
        source = f"unnest({arrays}) k(trace_id, span_id, day) {each_by_key('spans', 'trace_id, span_id, day')}"
        given = {
            "trace_ids": [row.trace_id for row in keys],
            "span_ids": [row.span_id for row in keys],
            "days": [row.day for row in keys],
        }
    columns = ", ".join(f"s.{name.strip()}" for name in BONE_COLUMNS.split(","))
    sql = (
        f"SELECT s.trace_id, {columns}, s.error, s.cost, s.resource_key, s.raw FROM {source} "  # noqa: S608 - constants
        "WHERE s.tenant_id = :tenant_id AND s.project_id = :project_id"
    )
    if tx.dialect == "postgresql":  # the least and greatest day let the planner leave partitions out
        sql += " AND s.day BETWEEN :first_day AND :last_day"
        given |= {"first_day": min(given["days"]), "last_day": max(given["days"])}
    found = {(row.trace_id, row.span_id, row.day): row for row in rows(tx, sql, **given)}
    known = resources.of(tx, {row.resource_key for row in found.values()})
    said = logs_of(tx, [(row.trace_id, row.span_id) for row in keys])
    return [
        _exported(found[row.trace_id, row.span_id, row.day], known, said.get((row.trace_id, row.span_id), ()))
        for row in keys
    ]


def _exported(row: Any, resources: Mapping[str, tuple[bytes, bytes]], records: Sequence[bytes]) -> ExportedSpan:
    raw = joined(bytes(row.raw), records)
    resource, scope = resources.get(row.resource_key, (b"", b""))
    detail = read_detail(span_of(row, row.trace_id), raw, resource=resource, scope=scope)
    return ExportedSpan(detail=detail, cost=row.cost, size_bytes=len(raw))
