"""Blocks of stored answers as whole columns: metrics, ids, hashes and row results without a Python object a row.

Numbers, ids and hashes are those that `blocks` makes of the same rows one by one.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aiplatform.core.errors import AIPlatformError
from aiplatform.eval import rows
from aiplatform.eval.blocks import ID_COLUMNS, INPUT_COLUMNS, BlockResult, Plan, RowSink, put_rows
from aiplatform.eval.calls import NO_OUTPUT, StoredAnswers
from aiplatform.eval.measures.columns import Block, Column
from aiplatform.eval.measures.measure import STATES
from aiplatform.eval.measures.measuring import block_of, needed_columns
from aiplatform.eval.metrics import RunState
from aiplatform.eval.statistics.hashing import HASH_BITS, canonical_json

_NULL: Final = "null"
_SPECIAL: Final = r'["\\\x00-\x1f]'
_DISTINCT_SHARE: Final = 4
"""A column with at most every fourth value distinct is worked on by its distinct values."""


def suits(plan: Plan) -> bool:
    """Whether a plan can be carried out on columns: answers are stored, and metrics are all there is to score."""
    return isinstance(plan.model, StoredAnswers) and not plan.scorers and bool(plan.measures)


def needed(plan: Plan, names: Sequence[str]) -> list[str]:
    """Columns to read: those of the metrics, and where rows are kept all that row results hold.

    Raises:
        InvalidError: A metric needs one that is not there.
    """
    more = plan.kept_columns
    wanted = needed_columns(plan.measures, plan.columns, more, names)
    if not plan.keep_rows:
        ids = plan.columns.get("id", "")
        return [name for name in wanted if name not in {ids, *ID_COLUMNS} or _draws_rows(plan)]
    roles = ("input", "expected", "output", "id", "latency_ms", "error", "trace_id")
    held = (plan.columns.get(role, role) for role in roles)
    return [name for name in dict.fromkeys((*wanted, *held, *ID_COLUMNS, *INPUT_COLUMNS)) if name in names]


def _draws_rows(plan: Plan) -> bool:
    """Whether some metric draws its rows by their ids."""
    return any(getattr(measure.collector, "draws_rows", False) for measure in plan.measures)


class TableEvaluator:
    """Evaluates tables of stored answers, one after another, in one worker."""

    def __init__(self, plan: Plan, sink: RowSink | None) -> None:
        self._plan = plan
        self._sink = sink

    def evaluate(self, table: pa.Table, start: int = 0) -> BlockResult:
        """Score and store the rows of one table.

        Args:
            table: Rows.
            start: Place of the first, which names rows that have no id and no input.
        """
        plan = self._plan
        part = {name: Column(table.column(name)) for name in table.column_names}
        block = _of_answers(block_of(part, plan.columns, plan.cluster, plan.seed, start))
        found = _Rows(table, block, plan, start)
        state = RunState(cluster=plan.cluster)
        state.measured.add(found.block, plan.measures, plan.slices)
        state.calls.add_columns(block.column("output").is_missing, block.column("latency_ms").floats)
        if not plan.keep_rows or self._sink is None:
            state.rows_hash = found.hash_of_expectations()
            return BlockResult(state=state, file=None, errors=state.calls.errors)
        state.rows_hash = found.rows_hash()
        state.id_keys.add(pd.util.hash_array(found.ids.to_numpy(zero_copy_only=False), categorize=False))
        file = put_rows(self._sink, plan.run_id, found.parquet(), table.num_rows)
        return BlockResult(state=state, file=file, errors=state.calls.errors)


def result_of_table(shared: tuple[Plan, RowSink | None], table: pa.Table, start: int) -> bytes:
    """The result of one table, or the platform's error of it, to be unpickled: Ray would keep an error's words alone.

    It stands here because a worker that carries it out then imports little.
    """
    try:
        result: BlockResult | AIPlatformError = TableEvaluator(*shared).evaluate(table, start)
    except AIPlatformError as error:
        result = error
    return pickle.dumps(result)


class _Rows:
    """The rows of a table with their ids and texts of JSON."""

    def __init__(self, table: pa.Table, block: Block, plan: Plan, start: int) -> None:
        self._plan = plan
        self._table = table
        self._input = self._texts(_first(table, plan.columns.get("input"), INPUT_COLUMNS))
        self._expected = self._texts(plan.columns.get("expected", "expected"))
        self._start = start
        self.block = replace(block, row_ids=lambda: self.ids.to_pylist())

    def rows_hash(self) -> int:
        """The hash of all rows, as `hashing.rows_hash` makes it."""
        parts = [_json(self.ids), self._known(self._input), self._known(self._expected)]
        texts = pc.binary_join_element_wise("[", pc.binary_join_element_wise(*parts, ","), "]", "")
        return _summed(texts.cast(pa.binary()).to_pylist(), [])

    def hash_of_expectations(self) -> int:
        """The hash of what is expected alone, where rows are not kept: the rest was not read."""
        if self._expected is None:
            return 0
        counted = self._known(self._expected).value_counts()
        texts = pc.binary_join_element_wise("[null,null,", counted.field(0), "]", "")
        return _summed(texts.cast(pa.binary()).to_pylist(), counted.field(1).to_pylist())

    def parquet(self) -> bytes:
        """The row results, in the columns that `rows.to_table` writes."""
        size, plan = self._table.num_rows, self._plan
        output = self.block.column("output")
        error = pa.array(np.where(output.is_missing, NO_OUTPUT, ""), pa.string())
        if "error" in self._table.column_names:
            told = _not_empty(_strings(self._table.column("error")))
            error = pc.if_else(pa.array(output.is_missing), pc.coalesce(told, error), error)
        latency = self.block.column("latency_ms").floats
        columns: dict[str, pa.Array] = {
            "row_id": self.ids,
            "input": self._or_nulls(self._input),
            "expected": self._or_nulls(self._expected),
            "output": self._or_nulls(self._texts(plan.columns.get("output", "output"))),
            "latency_ms": pa.array(latency, pa.float64(), from_pandas=True),
            "error": error,
            "trace_id": pc.fill_null(_strings(self._table.column("trace_id")), "")
            if "trace_id" in self._table.column_names
            else pa.array(np.full(size, ""), pa.string()),
        }
        for column in plan.kept_columns:
            codes, names = self.block.column(column).names
            indices = pa.array(codes, mask=codes < 0)
            columns[f"{rows.SLICE_PREFIX}{column}"] = pa.array(names, pa.string()).take(indices)
        for measure in plan.measures:
            if measure.row_values is not None:
                values, states = measure.row_values(self.block)
                columns |= _score_columns(measure.name, values, states)
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression="zstd")
        return sink.getvalue()

    @cached_property
    def ids(self) -> pa.Array:
        """Ids of the rows: given, or made of their content, or of their place."""
        size = self._table.num_rows
        name = _first(self._table, self._plan.columns.get("id"), ID_COLUMNS)
        given = _strings(self._table.column(name)) if name else pa.nulls(size, pa.string())
        given = _not_empty(given)
        if not given.null_count:
            return given
        if self._input is None:
            made = pa.array(np.arange(self._start, self._start + size)).cast(pa.string())
        else:
            texts = pc.binary_join_element_wise(
                "[", pc.binary_join_element_wise(self._known(self._input), self._known(self._expected), ","), "]", ""
            )
            made = pa.array([hashlib.sha256(text).hexdigest()[:16] for text in texts.cast(pa.binary()).to_pylist()])
        return pc.coalesce(given, made)

    def _texts(self, name: str | None) -> pa.Array | None:
        return _json(self._table.column(name)) if name is not None and name in self._table.column_names else None

    def _known(self, texts: pa.Array | None) -> pa.Array:
        return pa.array([_NULL] * self._table.num_rows) if texts is None else pc.fill_null(texts, _NULL)

    def _or_nulls(self, texts: pa.Array | None) -> pa.Array:
        return pa.nulls(self._table.num_rows, pa.string()) if texts is None else texts


def _of_answers(block: Block) -> Block:
    """The block with no time told where there is no answer."""
    latency = block.column("latency_ms")
    if "latency_ms" not in block.columns:
        return block
    told = np.where(block.column("output").is_missing, np.nan, latency.floats)
    return replace(block, columns={**block.columns, "latency_ms": Column(pa.array(told, from_pandas=True))})


def _first(table: pa.Table, given: str | None, names: Sequence[str]) -> str | None:
    candidates = (given,) if given is not None else names
    return next((name for name in candidates if name in table.column_names), None)


def _json(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Each value as JSON, as `hashing.canonical_json` writes it; a null stays one."""
    array = _whole(values)
    kind = array.type
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_dictionary(kind):
        return _json(array.dictionary).take(array.indices)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return array.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = array.cast(pa.string())
        if not pc.any(pc.match_substring_regex(text, _SPECIAL)).as_py():
            return pc.binary_join_element_wise('"', text, '"', "")
    distinct = array.dictionary_encode() if pa.types.is_primitive(kind) or pa.types.is_string(kind) else None
    if distinct is not None and len(distinct.dictionary) * _DISTINCT_SHARE <= len(array):
        return _json_one_by_one(distinct.dictionary).take(distinct.indices)
    return _json_one_by_one(array)


def _json_one_by_one(array: pa.Array) -> pa.Array:
    return pa.array([None if value is None else canonical_json(value) for value in array.to_pylist()], pa.string())


def _score_columns(name: str, values: Any, states: Any) -> dict[str, pa.Array]:
    size, prefix = len(values), f"{rows.SCORE_PREFIX}{name}"
    names = pa.array([str(STATES[code]) for code in sorted(STATES)], pa.string())
    return {
        f"{prefix}.value": pa.array(values, pa.float64(), mask=states != 0),
        f"{prefix}.state": names.take(pa.array(states)),
        f"{prefix}.reason": pa.array(np.full(size, ""), pa.string()),
        f"{prefix}.label": pa.nulls(size, pa.bool_()),
        f"{prefix}.metadata": pa.nulls(size, pa.string()),
    }


def _strings(values: pa.ChunkedArray) -> pa.Array:
    array = _whole(values)
    if pa.types.is_floating(array.type):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _not_empty(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    return values


def _summed(texts: Sequence[bytes], counts: Sequence[int]) -> int:
    """The sum of the SHA-256 of texts, each as often as it occurred, modulo 2^256."""
    sha256 = hashlib.sha256
    if counts:
        weighed = zip(texts, counts, strict=True)
        return sum(int.from_bytes(sha256(text).digest(), "big") * count for text, count in weighed) % (1 << HASH_BITS)
    digests = b"".join([sha256(text).digest() for text in texts])
    limbs = np.frombuffer(digests, dtype=">u4").reshape(-1, HASH_BITS // 32).astype(np.uint64).sum(axis=0)
    return sum(int(limb) << 32 * place for place, limb in enumerate(reversed(limbs.tolist()))) % (1 << HASH_BITS)
