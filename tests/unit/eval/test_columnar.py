"""Columns as a whole give what rows one by one give: numbers, ids, hashes, row results."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiplatform.eval.blocks import PLACE_COLUMN, BlockEvaluator, BlockResult, Plan
from aiplatform.eval.calls import StoredAnswers
from aiplatform.eval.columnar import TableEvaluator, needed, suits
from aiplatform.eval.measures.registry import resolve
from aiplatform.eval.scorers import resolve as resolve_scorers
from tests.testing.row_files import MemoryFiles

METRICS = ("accuracy", "f1_macro", "squad_f1", "mcc", "latency_ms")
PLAN = Plan(run_id="run", model=StoredAnswers(), scorers=(), measures=resolve(METRICS), slices=("lang",), cluster="doc")

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
labels = st.sampled_from(["a", "b", 'say "no"', "tab\tbed", "换行\n", "back\\slash", ""])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "input": texts,
            "expected": labels | st.none(),
            "output": labels | st.none(),
            "lang": st.sampled_from(["en", "zh", None]),
            "doc": st.integers(0, 3),
            "latency_ms": st.none() | st.floats(0, 1e4),
            "error": st.sampled_from(["", "timeout", None]),
        }
    ),
    min_size=1,
    max_size=25,
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("input", pa.string()), ("expected", pa.string()), ("output", pa.string()),
        ("lang", pa.string()), ("doc", pa.int64()), ("latency_ms", pa.float64()), ("error", pa.string()),
    ]
)  # fmt: skip


class MemorySink(MemoryFiles):
    """Files of one run, which leaves one."""

    @property
    def table(self) -> pa.Table:
        (content,) = self.files.values()
        return pq.read_table(io.BytesIO(content)).sort_by("row_id")


def both(table: pa.Table, plan: Plan = PLAN) -> tuple[BlockResult, BlockResult, pa.Table, pa.Table]:
    by_rows, by_columns = MemorySink(), MemorySink()
    placed = table.append_column(PLACE_COLUMN, pa.array(range(table.num_rows), pa.int64()))
    rows = BlockEvaluator(plan, by_rows).evaluate(placed.to_pylist())
    columns = TableEvaluator(plan, by_columns).evaluate(table)
    return rows, columns, by_rows.table, by_columns.table


def assert_equal(rows: BlockResult, columns: BlockResult, plan: Plan = PLAN) -> None:
    assert columns.state.metrics([], measures=plan.measures) == rows.state.metrics([], measures=plan.measures)
    assert columns.state.slice_metrics([], measures=plan.measures) == rows.state.slice_metrics(
        [], measures=plan.measures
    )
    assert columns.state.rows_digest == rows.state.rows_digest
    assert (columns.errors, columns.state.repeated_ids) == (rows.errors, rows.state.repeated_ids)


@settings(max_examples=40)
@given(found=ROWS, has_ids=st.booleans(), dictionary=st.booleans())
def test_columns_give_what_rows_give(found: list[dict[str, Any]], has_ids: bool, dictionary: bool) -> None:
    table = pa.Table.from_pylist(
        [{**row, "id": f"r{place}" if has_ids or place % 2 else None} for place, row in enumerate(found)], SCHEMA
    )
    if dictionary:
        place = SCHEMA.get_field_index("output")
        table = table.set_column(place, "output", table["output"].dictionary_encode())
    rows, columns, by_rows, by_columns = both(table)
    assert_equal(rows, columns)
    # Rows with the same content and no id have the same id: then their order in the file is open.
    if rows.state.repeated_ids == 0:
        assert by_columns.schema == by_rows.schema
        reasons = [name for name in by_rows.column_names if name.endswith(".reason")]
        assert by_columns.drop(reasons).to_pylist() == by_rows.drop(reasons).to_pylist()


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ([1, 2, 3, None], [1, 3, 3, 1]),
        ([True, False, True, None], [True, True, None, False]),
        ([0.5, 1.0, 2.0, None], [0.5, 1.5, None, 1.0]),
        ([["a"], ["b", "c"], None, []], [["a"], ["b"], ["c"], ["d"]]),
        ([{"answer": "x"}, {"answer": None}, None, {"answer": "z"}], [{"answer": "x"}] * 4),
    ],
)
def test_numbers_truth_values_lists_and_records_are_hashed_and_written_alike(
    expected: list[Any], output: list[Any]
) -> None:
    plan = replace(PLAN, measures=resolve(["accuracy", "mcc"]), slices=(), cluster="")
    table = pa.table({"input": ["q1", "q2", "q3", "q4"], "expected": expected, "output": output})
    rows, columns, by_rows, by_columns = both(table, plan)
    assert_equal(rows, columns, plan)
    reasons = [name for name in by_rows.column_names if name.endswith(".reason")]
    assert by_columns.drop(reasons).to_pylist() == by_rows.drop(reasons).to_pylist()


def test_rows_without_id_and_input_are_named_by_their_place() -> None:
    plan = replace(PLAN, measures=resolve(["accuracy"]), slices=(), cluster="")
    rows, columns, by_rows, by_columns = both(pa.table({"expected": ["a", "a"], "output": ["a", "b"]}), plan)
    assert_equal(rows, columns, plan)
    assert by_rows["row_id"].to_pylist() == by_columns["row_id"].to_pylist() == ["0", "1"]


def test_where_rows_are_not_kept_only_what_metrics_need_is_read_and_nothing_is_written() -> None:
    plan = replace(PLAN, measures=resolve(["accuracy"]), slices=(), cluster="", keep_rows=False)
    assert needed(plan, ["id", "input", "expected", "output", "notes"]) == ["expected", "output"]
    assert needed(replace(plan, measures=resolve(["bleu"])), ["id", "expected", "output"]) == [
        "expected", "output", "id",
    ]  # fmt: skip
    sink = MemorySink()
    parts = [pa.table({"expected": ["a"] * size, "output": ["a"] * size}) for size in (3, 4)]
    results = [TableEvaluator(plan, sink).evaluate(part) for part in parts]
    whole = TableEvaluator(plan, sink).evaluate(pa.concat_tables(parts))
    results[0].state.merge(results[1].state)
    assert results[0].state.rows_digest == whole.state.rows_digest
    assert sink.files == {}
    assert all(result.file is None for result in results)


def test_scorers_and_models_are_not_for_columns() -> None:
    assert suits(PLAN)
    assert not suits(replace(PLAN, scorers=resolve_scorers(["accuracy"])))
    assert not suits(replace(PLAN, measures=()))
