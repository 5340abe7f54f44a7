"""What is evaluated on, whatever it comes as: a registered version, a file, rows, frames, tables, Ray data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval.blocks import RECORD_COLUMN
from aiplatform.eval.model import DataRef
from aiplatform.eval.statistics.hashing import canonical_json

if TYPE_CHECKING:
    import ray.data

    from aiplatform.client.http import Client

FILE_KINDS: Final = (".parquet", ".jsonl", ".ndjson", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data with what is known of them."""

    ref: DataRef
    table: pa.Table | None = None
    """Rows at hand; None where they are in a Ray data set."""

    dataset: ray.data.Dataset | None = None
    file: Path | None = None
    """A Parquet file whose rows are read when they are asked for."""

    @property
    def num_rows(self) -> int | None:
        """How many; None where counting would mean reading them all."""
        if self.file is not None:
            return int(pq.read_metadata(self.file).num_rows)
        return self.table.num_rows if self.table is not None else None

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
        data: `name@version`, a data set handle, a file, a list of dictionaries, a pandas frame, an Arrow table, or a
            Ray data set.
        client: Where registered versions are found.
        limit: Take the first rows only.
        in_file: Whether the rows of a Parquet file stay there until they are asked for.

    Raises:
        InvalidError: It is none of these, or there are no rows.
        NotFoundError: There is no such file or version.
    """
    if _is_ray_dataset(data):
        return Source(ref=DataRef(), dataset=data.limit(limit) if limit else data)
    if in_file and limit is None and (path := _parquet(data)) is not None:
        digest = file_digest(path.open("rb"), "sha256").hexdigest()
        return Source(ref=DataRef(name=path.name, hash=digest), file=path)
    ref, table = _table(data, client)
    if limit is not None:
        table = table.slice(0, limit)
    if table.num_rows == 0:
        raise InvalidError(N_("There are no rows to evaluate on."), reason="evaluation.no_rows")
    return Source(ref=ref, table=table)


def _table(data: Any, client: Client) -> tuple[DataRef, pa.Table]:
    if isinstance(data, Path) or (isinstance(data, str) and data.endswith(FILE_KINDS)):
        path = Path(data)
        return DataRef(name=path.name), _read(path)
    if isinstance(data, str):
        from aiplatform.registry import datasets_api  # noqa: PLC0415 - only for registered data

        data = datasets_api.get(data, client=client)
    if hasattr(data, "to_arrow") and hasattr(data, "version"):
        version = data.version
        return DataRef(name=version.name, version=str(version.version), hash=version.digest), data.to_arrow()
    if isinstance(data, pa.Table):
        return DataRef(), data
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        return DataRef(), _records(data.to_dict(orient="records"))
    if isinstance(data, Iterable) and not isinstance(data, Mapping):
        return DataRef(), _records(data)
    raise InvalidError(
        N_("Data of kind {kind!r} cannot be evaluated on."),
        hint=N_("Give `name@version`, a file, a list of dictionaries, a pandas frame, an Arrow table or Ray data."),
        reason="evaluation.data_kind",
        kind=type(data).__name__,
    )


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


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise NotFoundError(N_("There is no file {path!r}."), reason="evaluation.no_file", path=str(path))
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        if path.suffix == ".csv":
            from pyarrow import csv  # noqa: PLC0415

            return csv.read_csv(path)
        lines = path.read_text(encoding="utf-8").splitlines()
        return pa.table({RECORD_COLUMN: pa.array([line for line in lines if line.strip()], pa.string())})
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidError(
            N_("The file {path!r} cannot be read: {problem}."),
            reason="evaluation.file",
            path=str(path),
            problem=str(error),
        ) from None


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
