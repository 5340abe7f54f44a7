from __future__ import annotations

from aiplatform.eval import rows
from aiplatform.eval.model import RowResult, RowScore, ScoreState
from tests.unit.eval.examples import planted_rows, row, score

NAMES = ["hit@1", "mrr", "abstention"]


def test_rows_come_back_as_they_were_written() -> None:
    full = RowResult(
        row_id="r1",
        input={"messages": [{"role": "user", "content": "怎么复制文件？"}]},
        expected={"ids": ["a"]},
        output={"answer": "shutil", "retrieved": ["a"], "confidence": 0.25},
        slices={"language": "zh"},
        scores=(
            RowScore(name="hit@1", state=ScoreState.SCORED, value=1.0, reason="found", metadata={"rank": 1}),
            RowScore(name="mrr", state=ScoreState.FAILED, reason="KeyError: 'retrieved'"),
            RowScore(name="abstention", state=ScoreState.NOT_APPLICABLE, label=True),
        ),
        latency_ms=12.5,
        trace_id="ab" * 16,
    )
    bare = RowResult(row_id="r0", input="q", error="TimeoutError: 30 s")
    content = rows.to_parquet([full, bare], NAMES, ["language"])
    table = rows.read_table([content])
    assert table is not None
    assert rows.to_results(table) == [bare, full]
    assert rows.by_ids(table, ["r1", "r9"]) == {"r1": full}


def test_comparison_reads_scores_and_slices_from_several_files() -> None:
    made = planted_rows(30, lambda _: 0.5, 1, answerable=20)
    files = [rows.to_parquet(made[start : start + 10], NAMES, ["language"]) for start in (0, 10, 20)]
    found = rows.read_run_rows(files)
    assert list(found.ids) == [each.row_id for each in made]
    assert found.scores["hit@1"].states.tolist() == [0] * 20 + [2] * 10
    assert found.scores["abstention"].labels.tolist() == [1] * 20 + [0] * 10
    assert list(found.slices["language"]) == [each.slices["language"] for each in made]


def test_a_run_without_rows_has_none() -> None:
    assert rows.read_table([]) is None
    assert rows.read_run_rows([]).ids == ()


def test_rows_are_filtered_by_slice_and_by_the_state_of_a_score() -> None:
    made = [
        row("a", score("hit@1", 1.0)),
        row("b", RowScore(name="hit@1", state=ScoreState.FAILED), language="zh"),
        row("c", score("hit@1", None), language="zh"),
    ]
    table = rows.read_table([rows.to_parquet(made, ["hit@1"], ["language"])])
    assert table is not None
    assert rows.matching(table, in_slice=("language", "zh"))["row_id"].to_pylist() == ["b", "c"]
    assert rows.matching(table, metric="hit@1", state="failed")["row_id"].to_pylist() == ["b"]
    assert rows.matching(table, in_slice=("topic", "x"))["row_id"].to_pylist() == []
    assert rows.matching(table, metric="f1", state="failed")["row_id"].to_pylist() == []
