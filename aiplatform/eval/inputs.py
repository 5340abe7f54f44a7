"""What is evaluated on, whatever it comes as: registered versions, files, traces, rows, frames, Ray data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval import files
from aiplatform.eval.blocks import RECORD_COLUMN
from aiplatform.eval.model import DataRef
from aiplatform.eval.statistics.hashing import canonical_json

if TYPE_CHECKING:
    import ray.data

    from aiplatform.client.http import Client

TRACES_BY_DEFAULT: Final = 1_000
"""Traces that a search is evaluated on, the newest, where no limit is given."""

_TRACES_A_CALL: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRows:
    """Traces as rows: `input`, `output` and `expected`, with the trace's id as the row's."""

    query: str = ""
    """A line of the query language: `kind:llm score.relevance<0.5`."""

    expected: str | None = None
    """Name of the score whose value is the expected answer; `output` for the answer that was given."""

    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data with what is known of them."""

    ref: DataRef
    table: pa.Table | None = None
    """Rows at hand; None where they are in a Ray data set."""

    dataset: ray.data.Dataset | None = None
    file: Path | None = None
    """A Parquet file whose rows are read when they are asked for."""
    known_rows: int | None = None
    """Rows of the Ray data set, where that is known without reading them."""

    @property
    def num_rows(self) -> int | None:
        """How many; None where counting would mean reading them all."""
        if self.file is not None:
            return int(pq.read_metadata(self.file).num_rows)
        return self.table.num_rows if self.table is not None else self.known_rows

    @property
    def column_names(self) -> list[str]:
        """Columns of a table or file."""
        if self.file is not None:
            return list(pq.read_schema(self.file).names)
        return list(self.table.column_names) if self.table is not None else []

    def tables(self, num_rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
        """The rows of a table or file, some at a time, with the place of the first.

        Args:
            num_rows: How many at a time, at most.
            columns: Those to read; None: all.
        """
        if self.file is not None:
            start = 0
            for batch in pq.ParquetFile(self.file).iter_batches(batch_size=num_rows, columns=columns):
                yield start, pa.Table.from_batches([batch])
                start += batch.num_rows
            return
        assert self.table is not None, "a source has a table or a data set"  # noqa: S101 - states an invariant
        table = self.table if columns is None else self.table.select(list(columns))
        for start in range(0, table.num_rows, num_rows):
            yield start, table.slice(start, num_rows)


def open_source(data: Any, client: Client, *, limit: int | None = None, in_file: bool = False) -> Source:
    """The data, ready to be read in blocks.

    Args:
        data: `name@version`, a data set handle, a file, a folder or a pattern of files, `TraceRows`, a list of
            dictionaries, a pandas or polars frame, an Arrow table, a Hugging Face data set, or a Ray data set. Files
            that are large together are read by Ray's workers, block by block.
        client: Where registered versions and traces are found.
        limit: Take the first rows only; of traces the newest.
        in_file: Whether the rows of a Parquet file stay there until they are asked for.

    Raises:
        InvalidError: It is none of these, or there are no rows.
        NotFoundError: There is no such file or version.
    """
    if _is_ray_dataset(data):
        return Source(ref=DataRef(), dataset=data.limit(limit) if limit else data)
    if in_file and limit is None and (path := _parquet(data)) is not None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Source(ref=DataRef(name=path.name, hash=digest), file=path)
    if isinstance(data, Path) or (isinstance(data, str) and files.is_path(data)):
        found = files.find(data)
        if found.size_bytes > files.STREAMED_FROM_BYTES:
            dataset, known = found.streamed(), found.num_rows()
            known = known if limit is None or known is None else min(known, limit)
            dataset = dataset.limit(limit) if limit else dataset
            return Source(ref=DataRef(name=found.name), dataset=dataset, known_rows=known)
        ref, table = DataRef(name=found.name), found.table()
    elif isinstance(data, TraceRows):
        ref, table = _traces(data, client, limit or TRACES_BY_DEFAULT)
    else:
        ref, table = _table(data, client)
    if limit is not None:
        table = table.slice(0, limit)
    if table.num_rows == 0:
        raise InvalidError(N_("There are no rows to evaluate on."), reason="evaluation.no_rows")
    return Source(ref=ref, table=table)


def _table(data: Any, client: Client) -> tuple[DataRef, pa.Table]:
    if isinstance(data, str):
        from aiplatform.registry import datasets_api  # noqa: PLC0415 - only for registered data

        data = datasets_api.get(data, client=client)
    if hasattr(data, "to_arrow") and hasattr(data, "version"):
        version = data.version
        return DataRef(name=version.name, version=str(version.version), hash=version.digest), data.to_arrow()
    if isinstance(data, pa.Table):
        return DataRef(), data
    if hasattr(data, "with_format") and hasattr(data, "column_names"):  # Hugging Face
        table = data.with_format("arrow")[:] if hasattr(data, "num_rows") else _records(data)
        return DataRef(), table
    if hasattr(data, "to_arrow"):  # polars
        return DataRef(), data.to_arrow()
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        return DataRef(), _frame(data)
    if isinstance(data, Iterable) and not isinstance(data, Mapping):
        return DataRef(), _records(data)
    raise InvalidError(
        N_("Data of kind {kind!r} cannot be evaluated on."),
        hint=N_("Give `name@version`, a file, a list of dictionaries, a pandas frame, an Arrow table or Ray data."),
        reason="evaluation.data_kind",
        kind=type(data).__name__,
    )


def _traces(wanted: TraceRows, client: Client, limit: int) -> tuple[DataRef, pa.Table]:
    """Rows of the newest traces that a search finds, oldest first, with a hash that pins them."""
    from aiplatform.tracing import api as traces  # noqa: PLC0415 - only for traces

    found = traces.list(wanted.query or None, limit=limit, from_ns=wanted.from_ns, to_ns=wanted.to_ns, client=client)
    trace_ids = [trace["trace_id"] for trace in found][::-1]
    texts = [canonical_json(row) for row in _trace_rows(trace_ids, wanted.expected, client)]
    digest = hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()
    name = f"traces {wanted.query}".strip()[:200]
    return DataRef(name=name, hash=f"sha256:{digest}"), pa.table({RECORD_COLUMN: pa.array(texts, pa.string())})


def _trace_rows(trace_ids: list[str], expected: str | None, client: Client) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(trace_ids), _TRACES_A_CALL):
        body = {"trace_ids": trace_ids[start : start + _TRACES_A_CALL], "expected": expected}
        yield from client.post("/api/v1/traces:rows", body, idempotent=True)["items"]


def _frame(frame: Any) -> pa.Table:
    """A pandas frame: its gaps become nulls, whatever the columns hold."""
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of one column differ in kind
        return _records(frame.astype(object).where(frame.notna(), None).to_dict(orient="records"))


def _records(records: Iterable[Any]) -> pa.Table:
    """Dictionaries as one column of JSON: values of one key may differ in kind from row to row."""
    texts: list[str] = []
    for record in records:
        if not isinstance(record, Mapping):
            raise InvalidError(
                N_("A row must be a dictionary; row {place} is {kind!r}."),
                reason="evaluation.row_kind",
                place=len(texts),
                kind=type(record).__name__,
            )
        texts.append(canonical_json(record))
    return pa.table({RECORD_COLUMN: pa.array(texts, pa.string())})


def _parquet(data: Any) -> Path | None:
    """The Parquet file that data name; None where they are something else, or an empty one."""
    if not isinstance(data, str | Path) or Path(data).suffix != ".parquet" or not Path(data).is_file():
        return None
    try:
        return Path(data) if pq.read_metadata(data).num_rows else None
    except pa.ArrowInvalid:
        return None


def _is_ray_dataset(data: Any) -> bool:
    kind = type(data)
    return kind.__module__.startswith("ray.data") and hasattr(data, "map_batches")
