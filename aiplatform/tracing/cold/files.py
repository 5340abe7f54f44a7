"""Whole traces as one Parquet file: a row a span, a row group for some traces, zstd, raw bytes kept as they came.

Ids are bytes, texts that repeat are dictionaries, and log records lie with their span. The layout is an implementation
detail: what people take away is an export.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from aiplatform.tracing.store.logs import COLUMNS as LOG_ROW

if TYPE_CHECKING:
    import pyarrow

LOG_COLUMNS: Final = LOG_ROW[2:]
"""Of a log record that lies with its span, whose ids it shares."""

LAYOUT_KEY: Final = b"aiplatform.cold"
LAYOUT: Final = b"1"
_LEVEL: Final = 9
"""Of zstd: a tenth smaller than the default, and written once."""

_HEX: Final = frozenset({"trace_id", "span_id", "parent_id"})
_NUMBERS: Final = frozenset(
    {
        "start_ns", "duration_ns", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
        "reasoning_tokens",
    }
)  # fmt: skip
_DICTIONARIES: Final = ["name", "kind", "status", "service", "model", "currency", "resource_key", "trace_id"]

LogValues = tuple[Any, ...]
"""A log record in the order of `LOG_COLUMNS`."""


class SpanValues(NamedTuple):
    """A span as it lies in the database."""

    trace_id: str
    span_id: str
    day: int
    parent_id: str | None
    name: str
    kind: str
    status: str
    start_ns: int
    duration_ns: int | None
    service: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    currency: str | None
    error: str | None
    resource_key: str
    raw: bytes


SPAN_COLUMNS: Final = SpanValues._fields


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSpan:
    """A span as a file holds it."""

    values: SpanValues
    logs: Sequence[LogValues]

    @property
    def key(self) -> tuple[str, str]:
        """Trace id and span id."""
        return self.values.trace_id, self.values.span_id


def table_of(spans: Sequence[FrozenSpan]) -> pyarrow.Table:
    """A group of spans as Arrow holds it."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for cold spans

    schema = _schema()
    columns: list[Sequence[Any]] = [*zip(*(span.values for span in spans), strict=True)]
    arrays = [
        pa.array([_packed(name, value) for value in column], type=schema.field(name).type)
        for name, column in zip(SPAN_COLUMNS, columns, strict=True)
    ]
    logs = [[dict(zip(LOG_COLUMNS, record, strict=True)) for record in span.logs] for span in spans]
    arrays.append(pa.array(logs, type=schema.field("logs").type))
    return pa.Table.from_arrays(arrays, schema=schema)


def file_of(groups: Iterable[pyarrow.Table]) -> bytes:
    """A file of some groups, each a row group of its own."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only for cold spans

    written = io.BytesIO()
    schema = _schema().with_metadata({LAYOUT_KEY: LAYOUT})
    with pq.ParquetWriter(
        written, schema, compression="zstd", compression_level=_LEVEL, use_dictionary=_DICTIONARIES
    ) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=max(len(group), 1))
    return written.getvalue()


def read_groups(
    file: BinaryIO,
    numbers: Iterable[int] | None = None,
    *,
    trace_ids: Collection[str] | None = None,
    has_raw: bool = True,
) -> Iterator[list[FrozenSpan]]:
    """Groups of a file, one at a time.

    Args:
        file: The file; it is sought in.
        numbers: Which groups, in which order; by default all.
        trace_ids: Only spans of these traces; by default all.
        has_raw: Whether their raw bytes and log records are needed, which are nearly all of a file.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for cold spans
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = None if has_raw else [name for name in SPAN_COLUMNS if name != "raw"]
    with pq.ParquetFile(file) as opened:
        for number in range(opened.num_row_groups) if numbers is None else numbers:
            table = opened.read_row_group(number, columns=columns)
            if trace_ids is not None:
                wanted = pa.array([bytes.fromhex(trace_id) for trace_id in trace_ids], type=pa.binary())
                table = table.filter(pc.is_in(table["trace_id"], value_set=wanted))
            yield spans_in(table)


def tables_in(file: BinaryIO) -> list[pyarrow.Table]:
    """All groups of a file as Arrow holds them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only for cold spans

    with pq.ParquetFile(file) as opened:
        return [opened.read_row_group(number) for number in range(opened.num_row_groups)]


def spans_in(table: pyarrow.Table) -> list[FrozenSpan]:
    """The spans of a group; where raw bytes were not read, they are empty."""
    has_raw = "raw" in table.column_names
    nothing: list[Any] = [b""] * len(table)
    columns = [
        [_unpacked(name, value) for value in table.column(name).to_pylist()] if has_raw or name != "raw" else nothing
        for name in SPAN_COLUMNS
    ]
    logs = table.column("logs").to_pylist() if has_raw else [()] * len(table)
    return [
        FrozenSpan(values=SpanValues(*values), logs=[tuple(record[name] for name in LOG_COLUMNS) for record in records])
        for values, records in zip(zip(*columns, strict=True), logs, strict=True)
    ]


def _packed(name: str, value: Any) -> Any:
    return bytes.fromhex(value) if name in _HEX and value is not None else value


def _unpacked(name: str, value: Any) -> Any:
    return value.hex() if name in _HEX and value is not None else value


def _schema() -> pyarrow.Schema:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only for cold spans

    record = pa.struct(
        [
            pa.field("log_key", pa.string()),
            pa.field("day", pa.int32()),
            pa.field("time_ns", pa.int64()),
            pa.field("position", pa.int32()),
            pa.field("raw", pa.binary()),
        ]
    )
    named = {"day": pa.int32(), "cost": pa.float64(), "raw": pa.binary()}
    fields = [
        pa.field(
            name,
            pa.binary() if name in _HEX else pa.int64() if name in _NUMBERS else named.get(name, pa.string()),
        )
        for name in SPAN_COLUMNS
    ]
    return pa.schema([*fields, pa.field("logs", pa.list_(record))])
