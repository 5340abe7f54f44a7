"""Row results as Parquet: what one row came to, in columns that comparison can read without the texts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aiplatform.eval.contrasts import NO_LABEL, STATE_CODES, RunRows, ScoreColumn
from aiplatform.eval.corpus_contrasts import Answers
from aiplatform.eval.model import RowResult, RowScore, ScoreState
from aiplatform.eval.statistics.hashing import canonical_json

NOTE: Final = b"aiplatform.block"
"""Where a file keeps what its block came to."""

SCORE_PREFIX: Final = "score."
SLICE_PREFIX: Final = "slice."
_LIGHT: Final = ("row_id", "latency_ms", "error")
_ANSWERS: Final = ("expected", "output")


def to_table(rows: Sequence[RowResult], scorers: Sequence[str], slices: Sequence[str]) -> pa.Table:
    """Row results in columns; every file of a run has the same ones, whatever its rows hold."""
    columns: dict[str, pa.Array] = {
        "row_id": pa.array([row.row_id for row in rows], pa.string()),
        "input": _json_column([row.input for row in rows]),
        "expected": _json_column([row.expected for row in rows]),
        "output": _json_column([row.output for row in rows]),
        "latency_ms": pa.array([row.latency_ms for row in rows], pa.float64()),
        "error": pa.array([row.error for row in rows], pa.string()),
        "trace_id": pa.array([row.trace_id for row in rows], pa.string()),
    }
    for column in slices:
        columns[f"{SLICE_PREFIX}{column}"] = pa.array([row.slices.get(column) for row in rows], pa.string())
    for name in scorers:
        scores = [next((score for score in row.scores if score.name == name), None) for row in rows]
        columns |= _score_columns(name, scores)
    return pa.table(columns)


def to_parquet(
    rows: Sequence[RowResult], scorers: Sequence[str], slices: Sequence[str], *, note: bytes | None = None
) -> bytes:
    """One Parquet file of row results; `note` travels in it, beside the rows."""
    table = to_table(rows, scorers, slices)
    if note is not None:
        table = table.replace_schema_metadata({NOTE: note})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_run_rows(files: Iterable[bytes], *, answers: bool = False) -> RunRows:
    """What comparison needs: ids, scores, slices, latencies; of texts only the answers, where they are asked for."""
    more = _ANSWERS if answers else ()
    tables = [_read(data, light=True, more=more) for data in files]
    if not tables:
        return RunRows(ids=(), scores={}, latencies=np.empty(0), errors=np.empty(0, dtype=np.bool_))
    table = pa.concat_tables(tables)
    return RunRows(
        ids=table["row_id"].to_pylist(),
        scores={name: _score_column(table, name) for name in scorer_names(table)},
        slices={column: table[f"{SLICE_PREFIX}{column}"].to_pylist() for column in slice_names(table)},
        latencies=_floats(table["latency_ms"]),
        errors=np.asarray(pc.not_equal(table["error"], "").to_numpy(), dtype=np.bool_),
        answers=Answers(**{name: [_from_json(text) for text in table[name].to_pylist()] for name in more})
        if more
        else None,
    )


def read_table(files: Iterable[bytes]) -> pa.Table | None:
    """All row results of a run, in the order of their ids; None where there are none."""
    tables = [_read(data, light=False) for data in files]
    return pa.concat_tables(tables).sort_by("row_id") if tables else None


def matching(
    table: pa.Table, *, in_slice: tuple[str, str] | None = None, metric: str | None = None, state: str | None = None
) -> pa.Table:
    """The rows of one slice, and those whose score is in a state; an unknown column matches nothing."""
    if in_slice is not None:
        table = _filtered(table, f"{SLICE_PREFIX}{in_slice[0]}", in_slice[1])
    if metric is not None and state is not None:
        table = _filtered(table, f"{SCORE_PREFIX}{metric}.state", state)
    return table


def weakest(table: pa.Table, scorer: str, count: int, *, lower_is_better: bool = False) -> pa.Table:
    """Rows whose score failed, then those with the worst values; none where the scorer gave no scores."""
    state, value = f"{SCORE_PREFIX}{scorer}.state", f"{SCORE_PREFIX}{scorer}.value"
    if state not in table.column_names:
        return table.slice(0, 0)
    table = table.filter(pc.not_equal(pc.fill_null(table[state], str(ScoreState.NOT_APPLICABLE)),
                                      str(ScoreState.NOT_APPLICABLE)))  # fmt: skip
    ranked = table.append_column("rank", pc.equal(table[state], str(ScoreState.SCORED)).cast(pa.int8()))
    order = "descending" if lower_is_better else "ascending"
    ranked = ranked.sort_by([("rank", "ascending"), (value, order), ("row_id", "ascending")])
    return ranked.slice(0, count).drop_columns(["rank"])


def by_ids(table: pa.Table, row_ids: Sequence[str]) -> dict[str, RowResult]:
    """The row results of those ids."""
    chosen = table.filter(pc.is_in(table["row_id"], value_set=pa.array(row_ids, pa.string())))
    return {row.row_id: row for row in to_results(chosen)}


def ids_in_slice(run_rows: RunRows, in_slice: tuple[str, str] | None) -> frozenset[str]:
    """Ids of the rows of one slice; none where there is no such column."""
    column, wanted = in_slice or ("", "")
    values = run_rows.slices.get(column, ())
    return frozenset(row_id for row_id, value in zip(run_rows.ids, values, strict=False) if value == wanted)


def to_results(table: pa.Table) -> list[RowResult]:
    """Columns back to row results."""
    scorers, slices = scorer_names(table), slice_names(table)
    return [
        RowResult(
            row_id=row["row_id"],
            input=_from_json(row["input"]),
            expected=_from_json(row["expected"]),
            output=_from_json(row["output"]),
            slices={c: row[f"{SLICE_PREFIX}{c}"] for c in slices if row[f"{SLICE_PREFIX}{c}"] is not None},
            scores=tuple(
                RowScore(
                    name=name,
                    state=ScoreState(row[f"{SCORE_PREFIX}{name}.state"]),
                    value=row[f"{SCORE_PREFIX}{name}.value"],
                    reason=row[f"{SCORE_PREFIX}{name}.reason"] or "",
                    label=row[f"{SCORE_PREFIX}{name}.label"],
                    metadata=_from_json(row[f"{SCORE_PREFIX}{name}.metadata"]) or {},
                )
                for name in scorers
                if row[f"{SCORE_PREFIX}{name}.state"] is not None
            ),
            latency_ms=row["latency_ms"],
            error=row["error"] or "",
            trace_id=row["trace_id"] or "",
        )
        for row in table.to_pylist()
    ]


def scorer_names(table: pa.Table) -> list[str]:
    """The scorers whose scores a table holds."""
    suffix = ".state"
    return [
        name.removeprefix(SCORE_PREFIX).removesuffix(suffix)
        for name in table.column_names
        if name.startswith(SCORE_PREFIX) and name.endswith(suffix)
    ]


def slice_names(table: pa.Table) -> list[str]:
    """The columns that a table can be sliced by."""
    return [name.removeprefix(SLICE_PREFIX) for name in table.column_names if name.startswith(SLICE_PREFIX)]


def _score_columns(name: str, scores: Sequence[RowScore | None]) -> Mapping[str, pa.Array]:
    types = {"value": pa.float64(), "state": pa.string(), "reason": pa.string(), "label": pa.bool_()}
    values: dict[str, list[Any]] = {field: [] for field in types}
    for score in scores:
        for field in types:
            value = getattr(score, field) if score is not None else None
            values[field].append(str(value) if field == "state" and value is not None else value)
    columns = {f"{SCORE_PREFIX}{name}.{field}": pa.array(values[field], kind) for field, kind in types.items()}
    metadata = [dict(score.metadata) if score is not None and score.metadata else None for score in scores]
    columns[f"{SCORE_PREFIX}{name}.metadata"] = _json_column(metadata)
    return columns


def _score_column(table: pa.Table, name: str) -> ScoreColumn:
    states = table[f"{SCORE_PREFIX}{name}.state"].to_pylist()
    labels = table[f"{SCORE_PREFIX}{name}.label"].to_pylist()
    absent = STATE_CODES[ScoreState.NOT_APPLICABLE]
    codes = [absent if state is None else STATE_CODES[ScoreState(state)] for state in states]
    return ScoreColumn(
        values=_floats(table[f"{SCORE_PREFIX}{name}.value"]),
        states=np.array(codes, dtype=np.int8),
        labels=np.array([NO_LABEL if label is None else int(label) for label in labels], dtype=np.int8),
    )


def _read(data: bytes, *, light: bool, more: Sequence[str] = ()) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data))
    wanted = None
    if light:
        wanted = [name for name in file.schema_arrow.names if name in (*_LIGHT, *more) or _is_light(name)]
    return file.read(columns=wanted)


def _is_light(name: str) -> bool:
    return name.startswith(SLICE_PREFIX) or (
        name.startswith(SCORE_PREFIX) and name.rsplit(".", 1)[-1] in {"value", "state", "label"}
    )


def _filtered(table: pa.Table, column: str, value: str) -> pa.Table:
    if column not in table.column_names:
        return table.slice(0, 0)
    return table.filter(pc.equal(table[column], value))


def _floats(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _json_column(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else canonical_json(value) for value in values], pa.string())


def _from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
