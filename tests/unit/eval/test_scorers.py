from __future__ import annotations

import asyncio
import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from aiplatform.core.errors import InvalidError
from aiplatform.eval.model import MetricKind, RowScore, ScoreState
from aiplatform.eval.scorers import Row, Score, Scorer, resolve, scored, scorer


def row(output: Any = None, expected: Any = None, **columns: Any) -> Row:
    return Row(row_id="r", input="q", expected=expected, output=output, columns=columns)


def score_of(which: Any, seen: Row) -> RowScore:
    (one,) = resolve([which])
    found = scored(one, seen)
    if inspect.isawaitable(found):
        return asyncio.run(_settled(found))
    return found


async def _settled(found: Any) -> RowScore:
    return await found  # type: ignore[no-any-return]


def found(*ids: str) -> dict[str, Any]:
    return {"retrieved": [*ids]}


@pytest.mark.parametrize(
    ("name", "retrieved", "ids", "value"),
    [
        ("hit@1", ["a", "b"], ["a"], 1.0),
        ("hit@1", ["b", "a"], ["a"], 0.0),
        ("hit@2", ["b", "a"], ["a"], 1.0),
        ("mrr", ["x", "y", "a"], ["a", "b"], 1 / 3),
        ("mrr", ["x"], ["a"], 0.0),
        ("recall@2", ["a", "x", "b"], ["a", "b"], 0.5),
        ("precision@4", ["a", "x"], ["a"], 0.25),
        ("ndcg@3", ["x", "a"], ["a"], 1 / math.log2(3)),
    ],
)
def test_retrieval_is_scored_on_ranked_ids(name: str, retrieved: list[str], ids: list[str], value: float) -> None:
    assert score_of(name, row(found(*retrieved), {"ids": ids})).value == pytest.approx(value)
    assert score_of(name, row(retrieved, ids)).value == pytest.approx(value)
    assert score_of(name, row({"retrieved": [{"id": each, "score": 1.0} for each in retrieved]}, ids)).value is not None


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.integers(1, 5))
def test_ndcg_equals_sklearn(relevant: list[bool], k: int) -> None:
    if not any(relevant):
        return
    names = [f"d{place}" for place in range(5)]
    wanted = [name for name, is_relevant in zip(names, relevant, strict=True) if is_relevant]
    mine = score_of(f"ndcg@{k}", row(found(*names), {"ids": wanted})).value
    expected = ndcg_score(np.array([relevant], dtype=float), np.array([[5.0, 4.0, 3.0, 2.0, 1.0]]), k=k)
    assert mine == pytest.approx(expected, abs=1e-12)


def test_rows_that_expect_nothing_to_be_found_are_not_applicable() -> None:
    cases: tuple[Any, ...] = (None, {"ids": []}, [])
    for expected in cases:
        assert score_of("hit@1", row(found("a"), expected)).state is ScoreState.NOT_APPLICABLE


def test_an_output_without_ranking_fails_and_is_no_zero() -> None:
    failed = score_of("hit@1", row({"answer": "x"}, ["a"]))
    assert (failed.state, failed.value) == (ScoreState.FAILED, None)
    assert "retrieved" in failed.reason


@pytest.mark.parametrize(
    ("output", "state", "value"),
    [
        ({"citations": ["a"]}, ScoreState.SCORED, 1.0),
        ({"citations": [{"id": "a"}, {"id": "x"}]}, ScoreState.SCORED, 0.0),
        ({"citations": []}, ScoreState.SCORED, 0.0),
        ({"citations": [], "abstained": True}, ScoreState.NOT_APPLICABLE, None),
        ({"answer": "x"}, ScoreState.FAILED, None),
    ],
)
def test_citations_must_be_among_what_is_expected(output: Any, state: ScoreState, value: float | None) -> None:
    score = score_of("citation", row(output, {"ids": ["a", "b"]}))
    assert (score.state, score.value) == (state, value)


@pytest.mark.parametrize(
    ("seen", "label"),
    [
        (row({"confidence": 0.4}, {"ids": ["a"]}), True),
        (row({"confidence": 0.4}, {"ids": []}), False),
        (row({"confidence": 0.4}, "forty-two"), True),
        (row({"confidence": 0.4}, {"ids": ["a"]}, answerable=False), False),
    ],
)
def test_confidence_is_labelled_by_whether_there_is_an_answer(seen: Row, label: bool) -> None:
    score = score_of("abstention", seen)
    assert (score.value, score.label) == (0.4, label)


def test_exact_match_forgives_case_width_and_spaces_and_accuracy_does_not() -> None:
    seen = row("  ＡＢＣ  def", "abc DEF")
    assert score_of("exact_match", seen).value == 1.0
    assert score_of("accuracy", seen).value == 0.0
    assert score_of("exact_match", row({"answer": "42"}, "42")).value == 1.0
    assert score_of("exact_match", row("x")).state is ScoreState.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("returned", "state", "value"),
    [
        (True, ScoreState.SCORED, 1.0),
        (0.25, ScoreState.SCORED, 0.25),
        (np.float32(0.5), ScoreState.SCORED, 0.5),
        (Score(0.75, "near enough"), ScoreState.SCORED, 0.75),
        (None, ScoreState.NOT_APPLICABLE, None),
        (Score(None, "no question"), ScoreState.NOT_APPLICABLE, None),
        ("good", ScoreState.FAILED, None),
        (float("nan"), ScoreState.FAILED, None),
        (float("inf"), ScoreState.FAILED, None),
    ],
)
def test_whatever_a_scorer_returns_has_one_of_three_states(
    returned: Any, state: ScoreState, value: float | None
) -> None:
    @scorer(name="own")
    def sync(seen: Row) -> Any:
        return returned

    async def asynchronous(seen: Row) -> Any:
        return returned

    for which in (sync, asynchronous):
        score = score_of(which, row())
        assert (score.state, score.value) == (state, value)


def test_what_a_scorer_raises_is_a_failed_score_with_its_reason() -> None:
    def breaks(seen: Row) -> float:
        raise KeyError("answer")

    async def breaks_later(seen: Row) -> float:
        raise KeyError("answer")

    for which in (breaks, breaks_later):
        score = score_of(which, row())
        assert (score.state, score.reason) == (ScoreState.FAILED, "KeyError: 'answer'")


def test_a_scorer_may_be_an_object_and_carries_a_version_of_its_source() -> None:
    class Short:
        def __init__(self, limit: int) -> None:
            self.limit = limit

        def __call__(self, seen: Row) -> bool:
            return len(seen.output) < self.limit

    made = scorer(name="short", lower_is_better=True, kind=MetricKind.PROPORTION)(Short(3))
    assert made.ref.name == "short"
    assert len(made.version) == 8
    assert made.lower_is_better
    assert score_of(made, row("ab")).value == 1.0


def test_names_functions_and_scorers_are_resolved_and_mistakes_refused() -> None:
    def own(seen: Row) -> float:
        return 1.0

    assert [each.name for each in resolve(["hit@10", own])] == ["hit@10", "own"]
    for wrong in ("hit@0", "hits@1", "bleurt"):
        with pytest.raises(InvalidError, match="no scorer"):
            resolve([wrong])
    with pytest.raises(InvalidError, match="Two scorers"):
        resolve(["mrr", "mrr"])
    with pytest.raises(InvalidError, match="cannot name a scorer"):
        scorer(name="a b")(own)


def test_parameters_of_built_in_scorers_are_recorded() -> None:
    (one,) = resolve(["hit@5"])
    assert isinstance(one, Scorer)
    assert dict(one.ref.parameters) == {"k": 5}
