"""Traces as a Ray data set: each read task is an export of one slice of time, fetched over HTTP by its worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.tracing.export import arrow_schema
from aiplatform.tracing.export_file import receive
from aiplatform.tracing.export_model import ExportFormat, ExportLevel

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Traces that started in [from, to)."""

    credentials: Credentials
    query: str | None
    level: ExportLevel
    from_ns: int
    to_ns: int

    def __call__(self) -> Iterator[pyarrow.Table]:
        """Its rows, a row group at a time; the file lies on the worker's disk meanwhile."""
        import pyarrow as pa  # noqa: PLC0415 - heavy
        import pyarrow.parquet as pq  # noqa: PLC0415

        params = {"q": self.query, "level": self.level.value, "from_ns": self.from_ns, "to_ns": self.to_ns}
        with tempfile.TemporaryFile() as stream:
            with Client(self.credentials) as client:
                receive(client, stream, ExportFormat.PARQUET, params)
            stream.seek(0)
            file = pq.ParquetFile(pa.PythonFile(stream, mode="r"))
            # Of an empty slice a block without rows tells the columns. Metadata differ by slice, and blocks must not.
            for index in range(file.num_row_groups):
                yield file.read_row_group(index).replace_schema_metadata(None)
            if file.num_row_groups == 0:
                yield arrow_schema(self.level).empty_table()


class TracesSource(Datasource):  # type: ignore[misc]  # Ray has no types
    """What a query finds, in slices of time."""

    def __init__(self, slices: list[Slice]) -> None:
        self._slices = slices

    def get_name(self) -> str:
        """What Ray's dashboards call it."""
        return "aiplatform traces"

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows before it is read."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """One task a slice."""
        nothing_known = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [
            ReadTask(part, nothing_known, schema=arrow_schema(part.level), per_task_row_limit=per_task_row_limit)
            for part in self._slices
        ]


def traces_dataset(
    credentials: Credentials, query: str | None, level: ExportLevel, *, from_ns: int, to_ns: int, num_slices: int
) -> ray.data.Dataset:
    """A data set of the traces, or of the spans of the traces, that started in [from, to)."""
    width = max(-(-(to_ns - from_ns) // max(num_slices, 1)), 1)
    begins = [*range(from_ns, to_ns, width)] or [from_ns]
    slices = [
        Slice(credentials=credentials, query=query, level=level, from_ns=begin, to_ns=min(begin + width, to_ns))
        for begin in begins
    ]
    return ray.data.read_datasource(TracesSource(slices), override_num_blocks=len(slices))
