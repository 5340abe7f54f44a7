"""Metrics of data at hand, in this process, with no platform: what `aip.evaluations.measure` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import Block, Column
from aiplatform.eval.measures.measure import Measure, Request
from aiplatform.eval.measures.measured import Measured
from aiplatform.eval.measures.registry import Wanted, resolve
from aiplatform.eval.model import MetricValue, SliceMetrics

BLOCK_ROWS: Final = 1 << 17
ID_COLUMNS: Final = ("row_id", "id")


@dataclass(frozen=True, slots=True)
class Measurement(Mapping[str, MetricValue]):
    """Metrics by name, with those of slices."""

    metrics: tuple[MetricValue, ...]
    slice_metrics: tuple[SliceMetrics, ...] = ()
    num_rows: int = 0

    def __getitem__(self, name: str) -> MetricValue:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (metric.name for metric in self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)


def measure(
    data: Any,
    metrics: Sequence[Wanted],
    *,
    columns: Mapping[str, str] | None = None,
    slices: Sequence[str] = (),
    cluster: str = "",
    blocks: int | None = None,
    request: Request | None = None,
) -> Measurement:
    """The metrics of data that hold expectations and outputs.

    Args:
        data: A Parquet file, read block by block; columns by name; dictionaries; a pandas frame; an Arrow table.
        metrics: Names or metrics.
        columns: `output` -> the column that holds it, where names differ.
        slices: Columns whose values make slices.
        cluster: Column whose equal values depend on each other.
        blocks: Into how many blocks to split the rows; the numbers do not depend on it.
        request: Level, draws and seed of the intervals.

    Raises:
        InvalidError: A metric is unknown, a column is missing, or there are no rows.
        NotFoundError: There is no such file.
    """
    measures, request = resolve(metrics), replace(request or Request(), cluster=cluster)
    measured = Measured()
    for part, start in _parts(data, blocks, lambda known: _read(measures, columns or {}, slices, cluster, known)):
        measured.add(block_of(part, columns or {}, cluster, request.seed, start), measures, slices)
    if not measured.num_rows:
        raise InvalidError(N_("There are no rows to evaluate on."), reason="evaluation.no_rows")
    return Measurement(
        metrics=tuple(measured.metrics(measures, request)),
        slice_metrics=tuple(measured.slice_metrics(measures, request).values()),
        num_rows=measured.num_rows,
    )


def block_of(part: Mapping[str, Column], columns: Mapping[str, str], cluster: str, seed: int, start: int = 0) -> Block:
    """Rows as metrics read them, their columns under the names of their roles.

    Args:
        part: Columns of one length, at least one.
        columns: `output` -> the column that holds it.
        cluster: Column whose equal values depend on each other.
        seed: Of what is drawn.
        start: Place of the first row, which names rows that have no id.
    """
    found = {**part, **{role: part[name] for role, name in columns.items() if name in part}}
    num_rows = len(next(iter(part.values())))
    ids = next((found[name] for name in ID_COLUMNS if name in found), None)
    if "id" in columns:
        ids = found["id"]

    def row_ids() -> Sequence[str]:
        given = ids.values if ids is not None else [None] * num_rows
        return [str(start + at) if value is None else str(value) for at, value in enumerate(given)]

    return Block(columns=found, num_rows=num_rows, row_ids=row_ids, cluster=cluster, seed=seed)


def needed_columns(
    measures: Iterable[Measure], columns: Mapping[str, str], more: Iterable[str], known: Sequence[str]
) -> list[str]:
    """Columns to read, of those that are known.

    Raises:
        InvalidError: A metric needs one that is not there.
    """
    measures = tuple(measures)
    roles = dict.fromkeys(name for measure in measures for name in measure.collector.needs)
    required = {name for measure in measures for name in measure.collector.needs if name not in _optional(measure)}
    wanted = [columns.get(name, name) for name in (*roles, *more) if name in known or name in (*required, *more)]
    for name in wanted:
        if name not in known:
            raise InvalidError(
                N_("The data have no column {name!r}; there are: {known}."),
                hint=N_('Say which column is which: columns={{"output": "prediction"}}.'),
                reason="metric.no_column",
                name=name,
                known=", ".join(known),
            )
    ids = [columns["id"]] if "id" in columns else [name for name in ID_COLUMNS if name in known][:1]
    return list(dict.fromkeys((*wanted, *ids)))


def _optional(measure: Measure) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(measure.collector, "optional", ())
    return found


def _read(
    measures: Sequence[Measure], columns: Mapping[str, str], slices: Sequence[str], cluster: str, known: Sequence[str]
) -> list[str]:
    return needed_columns(measures, columns, (*slices, *((cluster,) if cluster else ())), known)


def _parts(data: Any, blocks: int | None, wanted: Any) -> Iterator[tuple[Mapping[str, Column], int]]:
    """Columns of some rows each, and the place of their first row."""
    if isinstance(data, str | Path):
        yield from _of_file(Path(data), blocks, wanted)
        return
    columns = columns_of(data)
    num_rows = max((len(column) for column in columns.values()), default=0)
    if not num_rows:
        return
    names = wanted(list(columns))
    size = max(-(-num_rows // blocks) if blocks else BLOCK_ROWS, 1)
    for start in range(0, num_rows, size):
        yield {name: columns[name].slice(start, size) for name in names}, start


def _of_file(path: Path, blocks: int | None, wanted: Any) -> Iterator[tuple[Mapping[str, Column], int]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - one reader a kind of file

    if not path.is_file():
        raise NotFoundError(N_("There is no file {path!r}."), reason="evaluation.no_file", path=str(path))
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InvalidError(
            N_("The file {path!r} cannot be read: {problem}."),
            reason="evaluation.file",
            path=str(path),
            problem=str(error),
        ) from None
    names, start = wanted(file.schema_arrow.names), 0
    size = -(-file.metadata.num_rows // blocks) if blocks else BLOCK_ROWS
    for batch in file.iter_batches(batch_size=max(size, 1), columns=names):
        yield {name: Column(batch.column(name)) for name in names}, start
        start += batch.num_rows


def columns_of(data: Any) -> dict[str, Column]:
    """Data in columns.

    Raises:
        InvalidError: They are nothing of the kind, or columns differ in length.
    """
    if isinstance(data, pa.Table):
        return {name: Column(data.column(name)) for name in data.column_names}
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        data = data.to_dict(orient="list")
    if not isinstance(data, Mapping):
        rows = list(data)
        data = {str(name): [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}
    found = {str(name): Column(_listed(values)) for name, values in data.items()}
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidError(
            N_("The columns differ in length: {lengths}."),
            reason="metric.lengths",
            lengths=", ".join(f"{name}: {length}" for name, length in lengths.items()),
        )
    return found


def _listed(values: Any) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return values.tolist() if hasattr(values, "tolist") else list(values)
