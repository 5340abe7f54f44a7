"""Cold traces in SQL: which files there are, and in which of them a trace lies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, func, select, update

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import cold_files, cold_traces, traces
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows, run

ID_BYTES: Final = 9
QUIET_NS: Final = 3_600 * 10**9
"""How long a trace must have been left alone before it may become cold."""

ASK_AFTER_NS: Final = QUIET_NS // 2
"""A trace that was written to more lately cannot be cold; the difference is for clocks that differ."""

_TRACE_COLUMNS: Final = ("trace_id", "file_id", "group_no", "num_spans", "span_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A row group of a file: whole traces, by the start of each."""

    first_ns: int
    last_ns: int
    """Start of its first trace, and of its last one."""

    num_spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdFile:
    """One file."""

    file_id: str
    day: int
    """Days since 1970 on which its traces began."""

    path: str
    sha256: str
    size_bytes: int
    num_traces: int
    num_spans: int
    num_gone: int
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdPlace:
    """Where a trace lies."""

    trace_id: str
    file_id: str
    group_no: int
    num_spans: int
    span_ids: bytes


def is_cold() -> ColumnElement[bool]:
    """The condition that the spans of a row of `traces` lie in a file."""
    return exists(select(cold_traces.c.trace_id).where(cold_traces.c.trace_id == traces.c.trace_id))


def files(tx: Transaction, *conditions: ColumnElement[bool]) -> list[ColdFile]:
    """Files of the transaction's project, by day."""
    columns = [column for column in cold_files.c if column.name != "filters"]
    statement = select(*columns).where(*conditions).order_by(cold_files.c.day, cold_files.c.file_id)
    return [_file(row) for row in tx.execute(statement)]


def has_files(tx: Transaction) -> bool:
    """Whether the project has cold spans."""
    return tx.execute(select(cold_files.c.file_id).limit(1)).first() is not None


def filters_of(tx: Transaction, file_id: str) -> bytes:
    """The filters of a file's groups."""
    return bytes(tx.execute(select(cold_files.c.filters).where(cold_files.c.file_id == file_id)).scalar_one())


def put_file(tx: Transaction, file: ColdFile, filters: bytes, places: Sequence[ColdPlace], *, now_ns: int) -> None:
    """Record a file and the traces that lie in it from now on."""
    groups = [[group.first_ns, group.last_ns, group.num_spans] for group in file.groups]
    row = {name: getattr(file, name) for name in ColdFile.__slots__ if name != "groups"}
    tx.insert(cold_files.insert(), {**row, "groups": groups, "filters": filters, "created_ns": now_ns})
    found = [tuple(getattr(place, name) for name in _TRACE_COLUMNS) for place in places]
    tx.insert_rows(cold_traces, _TRACE_COLUMNS, found, replace=True)


def remove_file(tx: Transaction, file_id: str) -> bool:
    """Forget a file; returns whether it was known still."""
    return tx.execute(delete(cold_files).where(cold_files.c.file_id == file_id)).rowcount > 0


def is_known(tx: Transaction, file_id: str) -> bool:
    """Whether a file is known, locked against others until the commit."""
    statement = select(cold_files.c.file_id).where(cold_files.c.file_id == file_id).with_for_update()
    return tx.execute(statement).first() is not None


def places_of(tx: Transaction, trace_ids: Iterable[str]) -> dict[str, ColdPlace]:
    """Where some traces lie; those that are not cold are left out."""
    wanted = list(trace_ids)
    if not wanted:
        return {}
    sql = (
        f"SELECT {', '.join(_TRACE_COLUMNS)} FROM cold_traces "  # noqa: S608 - constants
        f"WHERE {IN_PROJECT} AND {any_of(tx, 'trace_id', 'trace_ids')}"
    )
    found = rows(tx, sql, trace_ids=listed(tx, wanted))
    return {row.trace_id: _place(row) for row in found}


def places_in(tx: Transaction, file_id: str) -> list[ColdPlace]:
    """The traces that lie in a file still."""
    statement = select(cold_traces).where(cold_traces.c.file_id == file_id).order_by(cold_traces.c.trace_id)
    return [_place(row) for row in tx.execute(statement)]


def leave(tx: Transaction, trace_ids: Iterable[str], file_ids: Collection[str] | None = None) -> list[ColdPlace]:
    """Traces lie in files no more; returns where they lay. Their files are told, so that they are written anew.

    Files are locked first, so that none is written anew meanwhile.

    Args:
        tx: A write transaction that has locked the traces.
        trace_ids: Which; those that are not cold are left out.
        file_ids: Only those that lie in these files; by default in any.
    """
    wanted = list(trace_ids)
    locked: set[str] = set()
    while True:
        found = [place for place in places_of(tx, wanted).values() if file_ids is None or place.file_id in file_ids]
        missing = sorted({place.file_id for place in found} - locked)
        if not missing:
            break
        tx.execute(
            select(cold_files.c.file_id)
            .where(cold_files.c.file_id.in_(missing))
            .order_by(cold_files.c.file_id)
            .with_for_update()
        )
        locked.update(missing)
    if not found:
        return []
    sql = f"DELETE FROM cold_traces WHERE {IN_PROJECT} AND {any_of(tx, 'trace_id', 'trace_ids')}"  # noqa: S608
    run(tx, sql, trace_ids=listed(tx, [place.trace_id for place in found]))
    for file_id in sorted({place.file_id for place in found}):
        num = sum(place.file_id == file_id for place in found)
        changed = {"num_gone": cold_files.c.num_gone + num}
        tx.execute(update(cold_files).where(cold_files.c.file_id == file_id).values(changed))
    return found


def running_by_id(span_ids: bytes) -> dict[str, bool]:
    """The spans of a place, and which of them were still running."""
    pieces = (span_ids[start : start + ID_BYTES] for start in range(0, len(span_ids), ID_BYTES))
    return {piece[:8].hex(): bool(piece[8]) for piece in pieces}


def pack_ids(spans: Iterable[tuple[str, bool]]) -> bytes:
    """What `running_by_id` reads."""
    return b"".join(bytes.fromhex(span_id) + bytes([is_running]) for span_id, is_running in spans)


def cold_spans_of(tx: Transaction, before: Mapping[str, Any], now_ns: int) -> dict[str, dict[str, bool]]:
    """Of traces that are written to, those that are cold, with their spans as `running_by_id` gives them.

    Args:
        tx: A write transaction.
        before: Their summaries, locked. A trace that was written to a moment ago is not asked for.
        now_ns: The platform's clock.
    """
    asked = [
        trace_id for trace_id, row in before.items() if not row.is_settled or row.updated_ns < now_ns - ASK_AFTER_NS
    ]
    return {trace_id: running_by_id(place.span_ids) for trace_id, place in places_of(tx, asked).items()}


def unsettle(tx: Transaction, trace_ids: Iterable[str]) -> None:
    """Ask the worker to bring traces back and to sum them up."""
    condition = any_of(tx, "trace_id", "trace_ids")
    sql = f"UPDATE traces SET is_settled = FALSE WHERE {IN_PROJECT} AND {condition}"  # noqa: S608 - constants
    run(tx, sql, trace_ids=listed(tx, trace_ids))


def totals(tx: Transaction) -> tuple[int, int, int, int, int | None, int | None]:
    """Files, traces, spans and bytes that are cold, and the first and last day of them."""
    column = cold_files.c
    columns: list[Any] = [
        func.count(),
        func.coalesce(func.sum(column.num_traces - column.num_gone), 0),
        func.coalesce(func.sum(column.num_spans), 0),
        func.coalesce(func.sum(column.size_bytes), 0),
        func.min(column.day),
        func.max(column.day),
    ]
    found: Any = tx.execute(select(*columns)).one()
    return int(found[0]), int(found[1]), int(found[2]), int(found[3]), found[4], found[5]


def _file(row: Any) -> ColdFile:
    groups = [Group(first_ns=first, last_ns=last, num_spans=num) for first, last, num in row.groups]
    values = {name: getattr(row, name) for name in ColdFile.__slots__ if name != "groups"}
    return ColdFile(**values, groups=groups)


def _place(row: Any) -> ColdPlace:
    values = {name: getattr(row, name) for name in _TRACE_COLUMNS}
    return ColdPlace(**{**values, "span_ids": bytes(row.span_ids)})
