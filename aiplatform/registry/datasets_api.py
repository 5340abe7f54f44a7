"""Data sets from Python: `aip.datasets.get("python-faq@3").to_pandas()`."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, UnsupportedError
from aiplatform.core.i18n import N_
from aiplatform.registry.model import Column, Dataset, DatasetVersion, RowPage, check_name, parse_reference

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import ray.data

__all__ = ["DatasetHandle", "add_traces", "create", "get", "list", "rows"]

Rows: TypeAlias = "pandas.DataFrame | pyarrow.Table | Iterable[Mapping[str, Any]] | str | Path"
CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DatasetHandle:
    """A data set version, whose rows are fetched when they are asked for."""

    version: DatasetVersion
    _client: Client = field(repr=False)

    @property
    def reference(self) -> str:
        """`name@version`."""
        return self.version.reference

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        return self.version.num_rows

    def to_arrow(self) -> pyarrow.Table:
        """Every row as an Arrow table."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only where rows are read

        content = self._client.request("GET", f"/api/v1/artifacts/{self.version.artifact_path}").content
        return pq.read_table(io.BytesIO(content))

    def to_pandas(self) -> pandas.DataFrame:
        """Every row as a pandas frame."""
        frame: pandas.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_ray(self) -> ray.data.Dataset:
        """Every row as a Ray data set, in the Ray that this process is connected to."""
        import ray.data as ray_data

        return ray_data.from_arrow(self.to_arrow())

    def download(self, file: str | Path) -> Path:
        """Keep the Parquet file as `file`; returns its path."""
        target = Path(file)
        with (
            self._client.stream("GET", f"/api/v1/artifacts/{self.version.artifact_path}") as response,
            target.open("wb") as stream,
        ):
            for chunk in response.iter_bytes(CHUNK_BYTES):
                stream.write(chunk)
        return target

    def schema_text(self) -> str:
        """Columns and types as a short text."""
        return ", ".join(f"{column.name}: {column.type}" for column in self.version.columns)


def create(
    name: str,
    data: Rows,
    *,
    licence: str = "",
    source: str = "",
    description: str = "",
    client: Client | None = None,
) -> DatasetHandle:
    """The next version of a data set; the same content again answers with the version that it made.

    Args:
        name: The data set's name.
        data: A pandas frame, an Arrow table, dictionaries, or a file (`.parquet`, `.csv`, `.jsonl`).
        licence: Licence of the data, best as an SPDX expression.
        source: Where the data come from.
        description: What the rows are.
        client: By default one made from the environment.

    Raises:
        UnsupportedError: A file of another kind.
        InvalidError: The name cannot be, or there are no columns.
    """
    client = client or Client()
    check_name(name, N_("data set"))
    content = _parquet(data)
    path = f"datasets/{name}/{hashlib.sha256(content).hexdigest()}.parquet"
    client.request("PUT", f"/api/v1/artifacts/{path}", content=content)
    body = {
        "name": name,
        "artifact_path": path,
        "licence": licence,
        "source": source,
        "description": description,
    }
    return DatasetHandle(_version(client.post("/api/v1/datasets", body, idempotent=True)), client)


def add_traces(
    name: str,
    trace_ids: Iterable[str] | None = None,
    *,
    query: str = "",
    from_ns: int | None = None,
    to_ns: int | None = None,
    expected: str | None = None,
    description: str = "",
    client: Client | None = None,
) -> DatasetHandle:
    """Add traces to a data set as its next version: `input`, `output`, `expected` and `trace_id` of each.

    The data set is made where there is none; traces that it holds already are not added again.

    Args:
        name: The data set's name.
        trace_ids: Which traces, at most 1,000; by default what the query finds, its newest 1,000.
        query: A line of the query language.
        from_ns: Only traces that began then or later.
        to_ns: Only traces that began before.
        expected: Name of the score whose value is the expected answer; `output` for the answer that was given.
        description: What the rows are; by default what the version before said.
        client: By default one made from the environment.

    Raises:
        InvalidError: No trace is meant, or the data set's columns do not fit.
        NotFoundError: A trace is not in the project.
    """
    client = client or Client()
    body = {
        "trace_ids": None if trace_ids is None else [*trace_ids],
        "query": query,
        "from_ns": from_ns,
        "to_ns": to_ns,
        "expected": expected,
        "description": description,
    }
    check_name(name, N_("data set"))
    added = client.post(f"/api/v1/datasets/{name}:add-traces", body, idempotent=True)
    return DatasetHandle(_version(added["version"]), client)


def get(reference: str, *, client: Client | None = None) -> DatasetHandle:
    """The version that `name@3` or `name` (its newest) names.

    Raises:
        NotFoundError: There is none.
    """
    client = client or Client()
    wanted = parse_reference(reference)
    tail = wanted.version if wanted.version is not None else "latest"
    return DatasetHandle(_version(client.get(f"/api/v1/datasets/{wanted.name}/versions/{tail}")), client)


def list(*, client: Client | None = None) -> tuple[Dataset, ...]:  # noqa: A001 - a verb on a noun
    """Every data set of the project, by name."""
    client = client or Client()
    items = client.get("/api/v1/datasets")["items"]
    return tuple(Dataset(**{**item, "latest": _version(item["latest"])}) for item in items)


def rows(reference: str, *, offset: int = 0, limit: int = 50, client: Client | None = None) -> RowPage:
    """Some rows of a version, read on the server."""
    client = client or Client()
    version = get(reference, client=client).version
    path = f"/api/v1/datasets/{version.name}/versions/{version.version}/rows"
    item = client.get(path, offset=offset, limit=limit)
    return RowPage(
        columns=_columns(item["columns"]),
        rows=tuple(item["rows"]),
        offset=item["offset"],
        num_rows=item["num_rows"],
    )


def _version(item: Mapping[str, Any]) -> DatasetVersion:
    return DatasetVersion(**{**item, "columns": _columns(item["columns"])})


def _columns(items: Iterable[Mapping[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(**item) for item in items)


def _parquet(data: Rows) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only where rows are written
    import pyarrow.parquet as pq  # noqa: PLC0415

    if isinstance(data, str | Path):
        file = Path(data)
        if file.suffix == ".parquet":
            return file.read_bytes()
        table = _read_file(file)
    elif isinstance(data, pa.Table):
        table = data
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):
        table = pa.Table.from_pandas(data, preserve_index=False)
    else:
        table = pa.Table.from_pylist([*data])
    if not table.column_names:
        raise InvalidError(
            N_("The data have no columns."), hint=N_("Give at least one row with a field."), reason="registry.empty"
        )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _read_file(file: Path) -> pyarrow.Table:
    if file.suffix == ".csv":
        from pyarrow import csv  # noqa: PLC0415 - heavy, and only for such files

        return csv.read_csv(file)
    if file.suffix in {".jsonl", ".ndjson"}:
        from pyarrow import json  # noqa: PLC0415

        return json.read_json(file)
    raise UnsupportedError(
        N_("Files of kind {kind!r} are not read."),
        hint=N_("Give a .parquet, .csv or .jsonl file."),
        reason="registry.file_kind",
        kind=file.suffix,
    )
