"""Rows of data sets that are made from traces: which columns, which expected answer, how they join what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.examples import Example

OUTPUT: Final = "output"
"""In place of a score's name: the answer that was given is the expected one."""

SCHEMA: Final = pa.schema(
    [("input", pa.string()), ("output", pa.string()), ("expected", pa.string()), ("trace_id", pa.string())]
)


def row_of(example: Example, expected: str | None) -> dict[str, str | None]:
    """A trace as a row.

    Args:
        example: The trace.
        expected: Name of the score whose value is the expected answer, or `output` for the answer that was given;
            None where none is known.
    """
    return {
        "input": example.input,
        "output": example.output,
        "expected": example.output if expected == OUTPUT else _said(example, expected),
        "trace_id": example.trace.trace_id,
    }


def full_row_of(example: Example, expected: str | None) -> dict[str, Any]:
    """A trace as a row to evaluate: as `row_of`, with what else is known of it; the trace's id is the row's."""
    trace = example.trace
    newest = {score.name: score.value for score in reversed(example.scores)}
    return {
        "row_id": trace.trace_id,
        **row_of(example, expected),
        "name": trace.name,
        "latency_ms": trace.duration_ns / 1e6,
        "session_id": trace.session_id,
        "user_id": trace.user_id,
        "models": [*trace.models],
        "scores": newest,
    }


def table_of(rows: Iterable[dict[str, str | None]]) -> pa.Table:
    """Rows as an Arrow table."""
    return pa.Table.from_pylist([*rows], schema=SCHEMA)


def known_traces(file: pq.ParquetFile) -> set[str]:
    """Traces that a data set holds already."""
    if "trace_id" not in file.schema_arrow.names:
        return set()
    return {
        value for batch in file.iter_batches(columns=["trace_id"]) for value in batch.column(0).to_pylist() if value
    }


def joint_schema(before: pa.Schema, reference: str) -> pa.Schema:
    """The columns of a data set with those of rows from traces.

    Raises:
        InvalidError: A column of the data set is of another type than the rows need.
    """
    try:
        return pa.unify_schemas([before.remove_metadata(), SCHEMA], promote_options="permissive")
    except pa.ArrowException as error:
        raise InvalidError(
            N_("Rows from traces do not fit the columns of {reference}: {problem}."),
            hint=N_("input, output, expected and trace_id have to be texts; add the traces to another data set."),
            reason="registry.columns",
            reference=reference,
            problem=str(error),
        ) from None


def write_joined(target: Path, before: pq.ParquetFile | None, schema: pa.Schema, added: pa.Table) -> None:
    """A Parquet file of what was there, and then what is added; what was there is copied batch by batch."""
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in before.iter_batches() if before is not None else ():
            writer.write_table(_fitted(pa.Table.from_batches([batch]), schema))
        writer.write_table(_fitted(added, schema))


def chunks_of(file: Path, size_bytes: int = 1 << 20) -> Iterator[bytes]:
    """A file piece by piece."""
    with file.open("rb") as stream:
        while chunk := stream.read(size_bytes):
            yield chunk


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table.column(field.name).cast(field.type) if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=schema)


def _said(example: Example, name: str | None) -> str | None:
    """The newest value of a score as a text."""
    value = next((score.value for score in example.scores if score.name == name), None)
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, str) else f"{value:g}"
