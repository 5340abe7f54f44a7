"""Scorers that users write: batches, classes, several values, categories, needed columns, plug-ins, MLflow's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow.genai.scorers
import pytest
from mlflow.entities import Feedback

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.eval import rows
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calls import FunctionModel, Model, StoredAnswers
from aiplatform.eval.foreign_scorers import mlflow_scorer
from aiplatform.eval.model import RowResult, RowScore, ScoreState
from aiplatform.eval.scorers import Row, Score, resolve, scorer
from tests.testing.row_files import MemoryFiles

RECORDS = [
    {"id": f"r{n}", "input": f"q{n}", "expected": f"a{n}", "output": f"a{n}" if n % 2 else "wrong", "context": context}
    for n, context in enumerate(["c0", None, "c2", "c3"])
]


def evaluated(*wanted: Any, records: list[dict[str, Any]] = RECORDS, model: Model | None = None) -> list[RowResult]:
    """Row results as they are read back from the run's Parquet file."""
    files = MemoryFiles()
    plan = Plan(run_id="eval-1", model=model or StoredAnswers(), scorers=resolve(wanted))
    file = BlockEvaluator(plan, files).evaluate(records).file
    assert file is not None
    table = rows.read_table([files.files[file.path]])
    assert table is not None
    return rows.to_results(table)


def column(results: list[RowResult], name: str) -> list[RowScore]:
    return [next(score for score in result.scores if score.name == name) for result in results]


def values(results: list[RowResult], name: str) -> list[float | None]:
    return [score.value for score in column(results, name)]


def is_right(row: Row) -> bool:
    return bool(row.output == row.expected)


async def is_right_async(row: Row) -> bool:
    await asyncio.sleep(0)
    return is_right(row)


def all_right(found: list[Row]) -> list[bool]:
    return [is_right(row) for row in found]


async def all_right_async(found: list[Row]) -> list[bool]:
    await asyncio.sleep(0)
    return all_right(found)


class Right:
    made = 0

    def __init__(self) -> None:
        Right.made += 1

    def __call__(self, row: Row) -> Score:
        return Score(is_right(row), f"said {row.output}", metadata={"of": row.row_id})


@pytest.mark.parametrize(
    "wanted",
    [
        is_right,
        is_right_async,
        scorer(batch=True)(all_right),
        scorer(batch=True)(all_right_async),
        scorer(Right),
        scorer(name="right")(Right()),
        scorer(name="words")(lambda row: "yes" if is_right(row) else "No"),
    ],
)
@pytest.mark.parametrize("model", [None, FunctionModel(function=lambda question: question.replace("q1", "a1"))])
def test_every_form_of_a_scorer_gives_the_same_scores(wanted: Any, model: Model | None) -> None:
    (which,) = resolve([wanted])
    expected = [0.0, 1.0, 0.0, 1.0] if model is None else [0.0, 1.0, 0.0, 0.0]
    assert values(evaluated(wanted, model=model), which.name) == expected


def test_a_class_is_made_once_in_a_worker_and_says_why() -> None:
    Right.made = 0
    results = evaluated(scorer(Right))
    assert Right.made == 1
    assert column(results, "Right")[0].reason == "said wrong"
    assert column(results, "Right")[3].metadata == {"of": "r3"}


def test_a_batch_holds_the_rows_that_can_be_scored_and_no_others() -> None:
    seen: list[str] = []

    @scorer(batch=True, needs=["context"])
    def grounded(found: list[Row]) -> list[Score]:
        seen.extend(row.row_id for row in found)
        return [Score(len(row.columns["context"])) for row in found]

    def answer(question: str) -> str:
        if question == "q2":
            raise TimeoutError("30 s")
        return question

    states = [score.state for score in column(evaluated(grounded, model=FunctionModel(function=answer)), "grounded")]
    assert seen == ["r0", "r3"]
    assert states == [ScoreState.SCORED, ScoreState.NOT_APPLICABLE, ScoreState.FAILED, ScoreState.SCORED]


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ([True], "1 values for 4 rows"),
        (None, "no list of 4"),
        (["maybe"] * 4, "declares no categories"),
        (["3"] * 4, "declares no categories"),
        ([float("nan")] * 4, "returned nan"),
        ([[1]] * 4, "which is no number"),
    ],
)
def test_a_batch_that_returns_something_else_fails_with_the_reason(returned: Any, reason: str) -> None:
    results = evaluated(scorer(batch=True, name="odd")(lambda _: returned))
    assert {score.state for score in column(results, "odd")} == {ScoreState.FAILED}
    assert reason in column(results, "odd")[0].reason


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_batch_raises_is_the_reason_of_its_rows(is_async: bool) -> None:
    def broken(_: list[Row]) -> list[bool]:
        raise KeyError("context")

    async def broken_async(found: list[Row]) -> list[bool]:
        return broken(found)

    wanted = scorer(batch=True, name="broken")(broken_async if is_async else broken)
    results = evaluated(wanted, is_right)
    assert {score.reason for score in column(results, "broken")} == {"KeyError: 'context'"}
    assert values(results, "is_right") == [0.0, 1.0, 0.0, 1.0]


def test_one_scorer_gives_several_named_values() -> None:
    @scorer(outputs=["length", "is_short"])
    def shape(row: Row) -> dict[str, Any]:
        length = len(row.output)
        return (
            {"length": Score(length, "letters")} if row.row_id == "r3" else {"length": length, "is_short": length < 3}
        )

    results = evaluated(shape)
    assert values(results, "length") == [5.0, 2.0, 5.0, 2.0]
    assert values(results, "is_short") == [0.0, 1.0, 0.0, None]
    assert column(results, "is_short")[3].state is ScoreState.NOT_APPLICABLE
    assert [ref.name for ref in shape.refs] == ["length", "is_short"]


def test_an_output_that_was_not_declared_fails_instead_of_vanishing() -> None:
    results = evaluated(scorer(outputs=["a"], name="odd")(lambda _: {"a": 1, "b": 2}))
    assert "does not declare" in column(results, "a")[0].reason


def test_categories_are_shares() -> None:
    tone = scorer(categories=["kind", "rude"], name="tone")(
        lambda row: None if row.row_id == "r0" else "rude" if row.row_id == "r1" else Score("kind", "thanks")
    )
    results = evaluated(tone)
    assert values(results, "tone/kind") == [None, 0.0, 1.0, 1.0]
    assert values(results, "tone/rude") == [None, 1.0, 0.0, 0.0]
    assert column(evaluated(scorer(categories=["a"], name="t")(lambda _: "b")), "t/a")[0].state is ScoreState.FAILED


def test_needed_columns_tell_absence_from_emptiness() -> None:
    wanted = scorer(needs=["context", "expected"], name="both")(lambda _: 1)
    records: list[dict[str, Any]] = [*RECORDS[:2], {"id": "r9", "input": "q", "output": "x", "expected": "y"}]
    results = evaluated(wanted, records=records)
    states = [(score.state, score.reason) for score in column(results, "both")]
    assert states == [
        (ScoreState.SCORED, ""),
        (ScoreState.NOT_APPLICABLE, "the row has no value in 'context'"),
        (ScoreState.FAILED, "the row has no column 'context'"),
    ]


def test_names_that_would_collide_are_refused() -> None:
    with pytest.raises(InvalidError, match="Two scorers"):
        resolve([scorer(outputs=["is_right"], name="several")(is_right), is_right])
    with pytest.raises(InvalidError, match="not both"):
        scorer(outputs=["a"], categories=["b"])
    with pytest.raises(InvalidError, match="cannot name a scorer"):
        scorer(outputs=["a b"])(is_right)


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a package that offers a scorer."""

    def install(package: str, line: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[aiplatform.scorers]\n{line}\n")
        (tmp_path / f"{package}.py").write_text("def polite(row):\n    return 'please' in row.output\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    sys.modules.pop("manners", None)


def test_an_installed_package_offers_scorers_by_name(offer: Callable[[str, str], None]) -> None:
    offer("manners", "polite = manners:polite\nexact_match = manners:polite")
    (found, builtin) = resolve(["polite", "exact_match"])
    assert (found.name, found.function.__module__) == ("polite", "manners")
    assert builtin.function.__module__ == "aiplatform.eval.builtin_scorers"
    offer("grace", "polite = grace:polite")
    with pytest.raises(ConfigError, match="grace, manners"):
        resolve(["polite"])


def test_an_installed_scorer_that_cannot_be_loaded_is_told(offer: Callable[[str, str], None]) -> None:
    offer("manners", "rude = manners:nothing_here")
    with pytest.raises(ConfigError, match="nothing_here"):
        resolve(["rude"])


def test_mlflow_scorers_are_taken_as_they_are() -> None:
    @mlflow.genai.scorers.scorer  # type: ignore[untyped-decorator]  # MLflow has no types
    def same(outputs: Any, expectations: Any) -> Feedback:
        return Feedback(value=outputs == expectations["expected_response"], rationale="compared")

    results = evaluated(same)
    assert values(results, "same") == [0.0, 1.0, 0.0, 1.0]
    assert column(results, "same")[0].reason == "compared"


def test_several_mlflow_feedbacks_need_their_names_said() -> None:
    @mlflow.genai.scorers.scorer  # type: ignore[untyped-decorator]  # MLflow has no types
    def two(inputs: Any, outputs: Any) -> list[Feedback]:
        assert inputs["input"].startswith("q")
        return [Feedback(name="a", value="yes"), Feedback(name="b", value=None, error=ValueError("no judge"))]

    results = evaluated(mlflow_scorer(two, outputs=["a", "b"]))
    assert {score.state for score in column(results, "b")} == {ScoreState.FAILED}
    assert values(results, "a") == [1.0] * 4
    assert "no judge" in column(results, "b")[0].reason
