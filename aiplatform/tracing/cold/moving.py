"""Whole traces on their way: out of the database into a file, back again, and into a new file without those that left.

A trace is in one place at every moment. A file is written, read back and compared before the one transaction that takes
its spans out of the database, and that transaction takes only traces which nobody changed meanwhile. Whoever is killed
on the way leaves at worst a file that nothing refers to, which `sweep` removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, select

from aiplatform.core.clock import Clock
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Transaction
from aiplatform.storage.days import DayPartitions
from aiplatform.storage.tables.tracing import cold_files, span_logs, spans, traces
from aiplatform.tracing.cold.files import LOG_COLUMNS, SPAN_COLUMNS, FrozenSpan, SpanValues, table_of
from aiplatform.tracing.cold.filters import join_filters, make_filter, tokens_of
from aiplatform.tracing.cold.shelf import Shelf
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.store.cold import (
    QUIET_NS,
    ColdFile,
    ColdPlace,
    Group,
    files,
    is_cold,
    is_known,
    leave,
    pack_ids,
    places_in,
    places_of,
    put_file,
    remove_file,
)
from aiplatform.tracing.store.logs import COLUMNS as LOG_ROW
from aiplatform.tracing.store.removal import take_spans, tell_index
from aiplatform.tracing.store.settling import sum_up
from aiplatform.tracing.store.statements import IN_PROJECT, project_of
from aiplatform.tracing.textindex.changes import SpanText, text_of_row

if TYPE_CHECKING:
    from aiplatform.storage.database import Database

GROUP_SPANS: Final = 500
FILE_SPANS: Final = 20_000
FILE_BYTES: Final = 64 * 2**20
"""Spans and raw bytes after which a file ends with the trace at hand; spans after which a row group does."""

ORPHAN_AFTER_NS: Final = 86_400 * 10**9
_CANDIDATES: Final = 5_000
_TRACES_AT_ONCE: Final = 200
_TAKE_RECORD: Final = (
    f"DELETE FROM span_logs WHERE {IN_PROJECT} AND trace_id = :trace_id AND span_id = :span_id "  # noqa: S608
    "AND log_key = :log_key"
)


@dataclass(slots=True)
class _Draft:
    """A file in the making: groups of whole traces, by start."""

    groups: list[list[FrozenSpan]]
    starts: dict[str, int]
    """When each trace began."""

    @property
    def num_spans(self) -> int:
        return sum(len(group) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    """A file that is put away, and not yet recorded."""

    file: ColdFile
    filters: bytes
    places: Sequence[ColdPlace]


class Moving:
    """Moves traces. Thread safe; repeating what was cut off completes it.

    Args:
        database: Where hot spans rest.
        shelf: Where cold ones do.
        clock: What time it is.
    """

    def __init__(self, database: Database, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._days = DayPartitions(database, spans)

    def freeze(self, scope: Scope, before_day: int) -> int:
        """Move the oldest traces of a project into one file; returns how many spans went, 0 where none are left.

        Args:
            scope: Tenant and project.
            before_day: Only traces that ended before this day (days since 1970).

        Raises:
            TransientError: Database or store is away.
        """
        before_ns, now_ns = before_day * DAY_NS, self._clock.now_ns()
        conditions: list[ColumnElement[bool]] = [
            traces.c.num_spans > 0,
            traces.c.is_settled.is_(True),
            traces.c.start_ns < before_ns,
            traces.c.start_ns + traces.c.duration_ns < before_ns,
            traces.c.updated_ns < now_ns - QUIET_NS,
            ~is_cold(),
        ]
        with self._database.read(scope, is_snapshot=True) as tx:
            chosen = _chosen(tx, conditions)
            draft = _read(tx, chosen)
        if not draft.groups:
            return 0
        day = chosen[0].start_ns // DAY_NS
        made = self._put(scope, day, draft)
        with self._database.transaction(scope) as tx:
            return self._take(tx, made, draft, chosen)

    def thaw(self, scope: Scope, trace_ids: Sequence[str]) -> int:
        """Bring traces back into the database, and sum up what arrived meanwhile; returns how many spans came.

        Raises:
            TransientError: Database or store is away.
        """
        with self._database.read(scope, is_snapshot=True) as tx:
            places = places_of(tx, trace_ids)
            found = list(self._shelf.spans(tx, places))
        self._days.ensure({span.values.day for span in found})
        now_ns = self._clock.now_ns()
        with self._database.transaction(scope) as tx:
            _lock(tx, sorted(places))
            # Between the two transactions others may have brought some back or erased them, or written a file anew:
            # what lies in another one by now is read again the next time.
            back = {place.trace_id for place in leave(tx, places, {place.file_id for place in places.values()})}
            num = _put_back(tx, [span for span in found if span.values.trace_id in back], now_ns)
            for trace_id in sorted(back):
                sum_up(tx, trace_id)
        return num

    def compact(self, scope: Scope) -> int:
        """Write files of a project anew that hold traces which left, without them; returns how many files.

        Raises:
            TransientError: Database or store is away.
        """
        with self._database.read(scope) as tx:
            worn = files(tx, cold_files.c.num_gone > 0)
        for file in worn:
            self._renew(scope, file)
        return len(worn)

    def sweep(self, scope: Scope) -> int:
        """Remove files of a project that nothing refers to and that nobody can be writing; returns how many.

        Raises:
            TransientError: Database or store is away.
        """
        # Listed before the database is asked: a file that is recorded in between is known.
        lying = self._shelf.paths(scope)
        with self._database.read(scope) as tx:
            known = {file.path for file in files(tx)}
        oldest_ns = self._clock.now_ns() - ORPHAN_AFTER_NS
        orphans = [path for path, made_ns in lying.items() if path not in known and made_ns < oldest_ns]
        for path in orphans:
            self._shelf.delete(scope, path)
        return len(orphans)

    def remove_all(self, scope: Scope) -> None:
        """Remove every file of a project, known or not."""
        for path in self._shelf.paths(scope):
            self._shelf.delete(scope, path)

    def _put(self, scope: Scope, day: int, draft: _Draft) -> _Put:
        now_ns = self._clock.now_ns()
        file_id = new_id("cold", now_ns)
        stored = self._shelf.put(scope, day, [table_of(group) for group in draft.groups], now_ns=now_ns)
        groups: list[Group] = []
        filters: list[bytes] = []
        places: list[ColdPlace] = []
        for number, group in enumerate(draft.groups):
            of_trace: dict[str, list[FrozenSpan]] = {}
            for span in group:
                of_trace.setdefault(span.values.trace_id, []).append(span)
            starts = [draft.starts[trace_id] for trace_id in of_trace]
            groups.append(Group(first_ns=min(starts), last_ns=max(starts), num_spans=len(group)))
            filters.append(make_filter(tokens_of(_texts(group))))
            places.extend(_place(file_id, number, trace_id, own) for trace_id, own in of_trace.items())
        file = ColdFile(
            file_id=file_id,
            day=day,
            path=stored.path,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            num_traces=len(places),
            num_spans=draft.num_spans,
            num_gone=0,
            groups=groups,
        )
        return _Put(file=file, filters=join_filters(filters), places=places)

    def _take(self, tx: Transaction, made: _Put, draft: _Draft, chosen: Sequence[Any]) -> int:
        """Record a file, and take out of the database what nobody changed since it was read."""
        now_ns = self._clock.now_ns()
        known = {row.trace_id: (row.updated_ns, row.num_spans) for row in chosen}
        locked = {row.trace_id: (row.updated_ns, row.num_spans) for row in _lock(tx, sorted(known))}
        already = places_of(tx, known)
        still = [
            place
            for place in made.places
            if locked.get(place.trace_id) == known[place.trace_id] and place.trace_id not in already
        ]
        _record(tx, made, still, now_ns)
        first_day, last_day = min(row.first_day for row in chosen), max(row.last_day for row in chosen)
        gone = {place.trace_id for place in still}
        take_spans(tx, sorted(gone), first_day=first_day, last_day=last_day, now_ns=now_ns)
        # Record by record: one that came meanwhile, or whose span never did, stays.
        records = [
            {"trace_id": span.values.trace_id, "span_id": span.values.span_id, "log_key": record[0]}
            for group in draft.groups
            for span in group
            if span.values.trace_id in gone
            for record in span.logs
        ]
        if records:
            tx.raw(_TAKE_RECORD, [{**record, "project_id": project_of(tx)} for record in records])
        return sum(place.num_spans for place in still)

    def _renew(self, scope: Scope, file: ColdFile) -> None:
        with self._database.read(scope) as tx:
            living = {place.trace_id for place in places_in(tx, file.file_id)}
            statement = select(traces.c.trace_id, traces.c.start_ns).where(traces.c.trace_id.in_(sorted(living)))
            starts = {row.trace_id: row.start_ns for row in tx.execute(statement)}
        draft = _Draft(groups=[], starts=starts)
        for group in self._shelf.groups(scope, file.path) if living else ():
            kept = [span for span in group if span.values.trace_id in living]
            if kept:
                draft.groups.append(kept)
        made = self._put(scope, file.day, draft) if draft.groups else None
        with self._database.transaction(scope) as tx:
            is_ours = is_known(tx, file.file_id)
            if is_ours:
                still = {place.trace_id for place in places_in(tx, file.file_id)}
                remove_file(tx, file.file_id)
                if made is not None:
                    kept_places = [place for place in made.places if place.trace_id in still]
                    _record(tx, made, kept_places, self._clock.now_ns())
        if is_ours:
            self._shelf.delete(scope, file.path)
        elif made is not None:  # another process was faster
            self._shelf.delete(scope, made.file.path)


def _chosen(tx: Transaction, conditions: Sequence[ColumnElement[bool]]) -> list[Any]:
    """The oldest traces of one day, as many as a file holds."""
    columns = (traces.c.trace_id, traces.c.start_ns, traces.c.updated_ns, traces.c.num_spans,
               traces.c.first_day, traces.c.last_day)  # fmt: skip
    statement = select(*columns).where(*conditions).order_by(traces.c.start_ns, traces.c.trace_id).limit(_CANDIDATES)
    found: list[Any] = []
    num_spans = 0
    for row in tx.execute(statement).fetchall():
        num_spans += row.num_spans
        is_other_day = found and row.start_ns // DAY_NS != found[0].start_ns // DAY_NS
        if is_other_day or (found and num_spans > FILE_SPANS):
            break
        found.append(row)
    return found


def _read(tx: Transaction, chosen: list[Any]) -> _Draft:
    """The spans of traces; `chosen` is cut where a file is full."""
    draft = _Draft(groups=[], starts={row.trace_id: row.start_ns for row in chosen})
    size_bytes = 0
    for first in range(0, len(chosen), _TRACES_AT_ONCE):
        part = chosen[first : first + _TRACES_AT_ONCE]
        found = _spans_of(tx, part)
        for number, row in enumerate(part, first):
            own = found.get(row.trace_id, [])
            size_bytes += sum(len(span.values.raw) for span in own)
            if number and size_bytes > FILE_BYTES:
                del chosen[number:]
                return draft
            if draft.groups and len(draft.groups[-1]) + len(own) <= GROUP_SPANS:
                draft.groups[-1].extend(own)
            elif own:
                draft.groups.append(own)
    return draft


def _spans_of(tx: Transaction, part: Sequence[Any]) -> dict[str, list[FrozenSpan]]:
    """The spans of some traces, by trace."""
    trace_ids = [row.trace_id for row in part]
    days = min(row.first_day for row in part), max(row.last_day for row in part)
    said = select(*(span_logs.c[name] for name in LOG_ROW)).where(span_logs.c.trace_id.in_(trace_ids))
    logs: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in tx.execute(said.order_by(span_logs.c.time_ns, span_logs.c.position, span_logs.c.log_key)):
        logs.setdefault((row.trace_id, row.span_id), []).append(tuple(row)[2:])
    columns = [spans.c[name] for name in SPAN_COLUMNS]
    of_traces = select(*columns).where(spans.c.trace_id.in_(trace_ids), spans.c.day.between(*days))
    found: dict[str, list[FrozenSpan]] = {}
    for row in tx.execute(of_traces.order_by(spans.c.start_ns, spans.c.span_id)):
        values = SpanValues(*tuple(row))
        span = FrozenSpan(values=values, logs=logs.get((values.trace_id, values.span_id), []))
        found.setdefault(values.trace_id, []).append(span)
    return found


def _lock(tx: Transaction, trace_ids: Sequence[str]) -> list[Any]:
    """Summaries that nobody changes until the commit, taken in the order of their ids, as every writer does."""
    columns = traces.c.trace_id, traces.c.updated_ns, traces.c.num_spans
    statement = select(*columns).where(traces.c.trace_id.in_(trace_ids)).order_by(traces.c.trace_id)
    return list(tx.execute(statement.with_for_update()).fetchall())


def _record(tx: Transaction, made: _Put, places: Sequence[ColdPlace], now_ns: int) -> None:
    values = {name: getattr(made.file, name) for name in ColdFile.__slots__}
    file = ColdFile(**{**values, "num_gone": made.file.num_traces - len(places)})
    put_file(tx, file, made.filters, places, now_ns=now_ns)


def _put_back(tx: Transaction, found: Sequence[FrozenSpan], now_ns: int) -> int:
    wanted = sorted({span.values.trace_id for span in found})
    there = select(spans.c.trace_id, spans.c.span_id).where(spans.c.trace_id.in_(wanted))
    # What is there arrived since: the end of a span that had none in the file.
    hot = {(row.trace_id, row.span_id) for row in tx.execute(there)}
    cold = [span for span in found if span.key not in hot]
    tx.insert_rows(spans, SPAN_COLUMNS, [span.values for span in cold])
    records = [(*span.key, *record) for span in found for record in span.logs]
    tx.insert_rows(span_logs, LOG_ROW, records)
    tell_index(tx, [(*span.key, span.values.day) for span in cold], now_ns)
    return len(cold)


def _texts(group: Iterable[FrozenSpan]) -> Iterator[SpanText]:
    for span in group:
        yield text_of_row(span.values, [record[LOG_COLUMNS.index("raw")] for record in span.logs])


def _place(file_id: str, number: int, trace_id: str, own: Sequence[FrozenSpan]) -> ColdPlace:
    ids = pack_ids((span.values.span_id, span.values.duration_ns is None) for span in own)
    return ColdPlace(trace_id=trace_id, file_id=file_id, group_no=number, num_spans=len(own), span_ids=ids)
