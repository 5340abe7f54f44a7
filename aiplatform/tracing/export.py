"""Traces or spans of a filter as one Parquet file or as JSON lines, made while it is sent.

An export is one read transaction on one state of the database, whatever is written meanwhile. Rows are read, written
and forgotten piece by piece. A reader that stays away keeps the transaction open, so its time is bounded, and so are
the exports of one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import InvalidError, RateLimitedError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.export_model import (
    COLUMNS,
    META_EXPORTED,
    META_LEVEL,
    META_PROJECT,
    META_QUERY,
    META_VERSION,
    SCHEMA_VERSION,
    SCORE_COLUMNS,
    ColumnType,
    ExportColumn,
    ExportFormat,
    ExportLevel,
)
from aiplatform.tracing.export_rows import Row, arrow_value, json_line, span_row, trace_row
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.query.tree import uses_index
from aiplatform.tracing.store import exporting
from aiplatform.tracing.store.scores import scores_by_trace
from aiplatform.tracing.store.searching import query_condition

if TYPE_CHECKING:
    import pyarrow

    from aiplatform.storage.database import Database, Transaction
    from aiplatform.tracing.service import Traces
    from aiplatform.tracing.textindex import Matches

MAX_AT_ONCE: Final = 4
MAX_SCORES: Final = 100_000
"""Of one page of traces."""

MAX_DURATION_S: Final = 3600.0
GROUP_ROWS: Final = 5_000
GROUP_BYTES: Final = 16 * 2**20
"""Raw spans of one row group of a Parquet file: what is held in memory at a time."""

INDEX_PATIENCE_S: Final = 10.0
INDEX_POLL_S: Final = 0.05
_ROW_BYTES: Final = 1_000

Weighed = tuple[Row, int]
"""A row, and about how many bytes it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """What to export."""

    query: str = ""
    """As in the list: words and `field:value` pairs."""

    from_ns: int | None = None
    to_ns: int | None = None
    """Traces that started in [from, to), whatever the query says besides."""

    level: ExportLevel = ExportLevel.TRACES
    format: ExportFormat = ExportFormat.PARQUET


class Exports:
    """Makes exports. Thread safe; one a process.

    Args:
        traces: The room's service.
        database: Where spans rest.
    """

    def __init__(self, traces: Traces, database: Database) -> None:
        self._traces = traces
        self._database = database
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)

    def open(self, scope: Scope, order: ExportOrder) -> Iterator[bytes]:
        """The file's bytes, piece by piece; nothing is read before the first is asked for. Close it when done.

        Raises:
            InvalidError: The query is none, or its words occur more often than the text index tells.
            RateLimitedError: Too many exports are being made here.
            TransientError: The database cannot be reached, the text index lags behind, or it took too long.
        """
        where = _narrowed(order)
        matches = self._matches(scope, where)
        return self._pieces(scope, order, where, matches)

    def _pieces(self, scope: Scope, order: ExportOrder, where: TraceFilter, matches: Matches | None) -> Iterator[bytes]:
        if not self._places.acquire(blocking=False):
            raise RateLimitedError(
                N_("{number} exports are being made already."),
                hint=N_("Wait for one to end, then ask again."),
                reason="export.busy",
                retry_after_s=5.0,
                number=MAX_AT_ONCE,
            )
        try:
            now_ns = self._traces.clock.now_ns()
            write = _parquet if order.format is ExportFormat.PARQUET else _json_lines
            index = self._traces.index
            database = self._database if where.query is None else index.reader()
            with database.read(scope, is_snapshot=True) as tx:
                query = where.query
                condition = None if query is None else query_condition(tx, query, index.sql, now_ns=now_ns)
                cold = self._traces.cold.all(tx, where)
                narrowed = exporting.Narrowing(where=where, matches=matches, condition=condition, cold=cold)
                rows = _timed(_ROWS_OF[order.level](tx, narrowed, self._traces.cold.whole), self._check_time(now_ns))
                yield from write(rows, order, scope, now_ns)
        finally:
            self._places.release()

    def _check_time(self, begun_ns: int) -> Callable[[], None]:
        def check() -> None:
            if self._traces.clock.now_ns() - begun_ns > MAX_DURATION_S * 1e9:
                raise TransientError(
                    N_("The export took longer than {seconds:g} s and was given up."),
                    hint=N_("Narrow it by time, or fetch it faster."),
                    reason="export.slow",
                    seconds=MAX_DURATION_S,
                )

        return check

    def _matches(self, scope: Scope, where: TraceFilter) -> Matches | None:
        """Where words are looked for: every trace they occur in, or an error; an export never leaves some out."""
        has_text = where.text is not None and where.text.strip()
        if has_text or (where.query is not None and uses_index(where.query)):
            self._wait_for_index(scope)
        if not (where.text and has_text):
            return None
        matches = self._traces.index.search(scope, where.text, from_ns=where.from_ns, to_ns=where.to_ns)
        if matches.is_cut:
            raise InvalidError(
                N_("These words occur in more spans than a search looks at."),
                hint=N_("Narrow the export by time, and make several."),
                reason="export.too_many",
            )
        return matches

    def _wait_for_index(self, scope: Scope) -> None:
        clock = self._traces.clock
        for _ in range(round(INDEX_PATIENCE_S / INDEX_POLL_S)):
            num_spans = self._traces.update_index()
            if self._traces.freshness(scope).is_current:
                return
            if num_spans == 0:  # another process is at it
                clock.sleep(INDEX_POLL_S)
        raise TransientError(
            N_("The text index has not seen all spans yet."),
            hint=N_("Try again in a moment."),
            reason="export.index_behind",
            retry_after_s=5.0,
        )


def _narrowed(order: ExportOrder) -> TraceFilter:
    """The one place where a query becomes a filter; the order's times hold whatever times the query names."""
    where = read_filter(order.query)
    begins = [value for value in (where.from_ns, order.from_ns) if value is not None]
    ends = [value for value in (where.to_ns, order.to_ns) if value is not None]
    return replace(where, from_ns=max(begins, default=None), to_ns=min(ends, default=None))


def _traces(tx: Transaction, narrowed: exporting.Narrowing, _: exporting.Whole) -> Iterator[Weighed]:
    for summaries in exporting.trace_pages(tx, narrowed):
        wanted = [summary.trace_id for summary in summaries]
        scores = scores_by_trace(tx, wanted, limit=MAX_SCORES)
        for summary in summaries:
            yield trace_row(summary, scores.get(summary.trace_id, [])[::-1]), _ROW_BYTES


def _spans(tx: Transaction, narrowed: exporting.Narrowing, whole: exporting.Whole) -> Iterator[Weighed]:
    for summaries in exporting.trace_pages(tx, narrowed):
        by_id = {summary.trace_id: summary for summary in summaries}
        for piece in exporting.span_pieces(tx, summaries, whole):
            for span in piece:
                trace = by_id[span.detail.row.trace_id]
                yield span_row(span.detail, span.cost, trace), span.size_bytes + _ROW_BYTES


_ROWS_OF: Final = {ExportLevel.TRACES: _traces, ExportLevel.SPANS: _spans}


def _timed(rows: Iterator[Weighed], check: Callable[[], None]) -> Iterator[Weighed]:
    for number, row in enumerate(rows):
        if number % 100 == 0:
            check()
        yield row


def _groups(rows: Iterator[Weighed]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size_bytes = 0
    for row, weight in rows:
        group.append(row)
        size_bytes += weight
        if len(group) >= GROUP_ROWS or size_bytes >= GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def _json_lines(rows: Iterator[Weighed], order: ExportOrder, scope: Scope, now_ns: int) -> Iterator[bytes]:
    columns = COLUMNS[order.level]
    for group in _groups(rows):
        yield b"".join(json_line(row, columns) for row in group)


def _parquet(rows: Iterator[Weighed], order: ExportOrder, scope: Scope, now_ns: int) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for such files
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = COLUMNS[order.level]
    schema = arrow_schema(order.level).with_metadata(
        {
            META_LEVEL: order.level.value,
            META_VERSION: str(SCHEMA_VERSION),
            META_EXPORTED: str(now_ns),
            META_PROJECT: scope.project_id or "",
            META_QUERY: order.query,
        }
    )
    written = _Written()
    writer = pq.ParquetWriter(pa.PythonFile(written, mode="w"), schema, compression="zstd")
    for group in _groups(rows):
        arrays = [
            pa.array([arrow_value(row[column.name], column.type) for row in group], type=schema.field(column.name).type)
            for column in columns
        ]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        yield written.take()
    # Only a whole export gets its footer: without one no reader takes the file for a Parquet file.
    writer.close()
    yield written.take()


def arrow_schema(level: ExportLevel) -> pyarrow.Schema:
    """The Arrow schema of a level, without metadata."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for such files

    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TEXTS: pa.list_(pa.string()),
        ColumnType.JSON: pa.string(),
    }

    def fields(columns: Sequence[ExportColumn]) -> list[Any]:
        return [pa.field(column.name, types[column.type]) for column in columns]

    types[ColumnType.SCORES] = pa.list_(pa.struct(fields(SCORE_COLUMNS)))
    return pa.schema(fields(COLUMNS[level]))


class _Written:
    """A file to Arrow's writer, which only ever appends; its bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        """Append."""
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        """Bytes appended since the beginning."""
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Arrow says that it is done."""
        self.closed = True

    def take(self) -> bytes:
        """What was appended since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
