"""Metrics of the whole corpus compared by the delete-a-group jackknife."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from aiplatform.eval.corpus_contrasts import Answers, PairedAnswers, compare_answers
from aiplatform.eval.measures.registry import resolve
from aiplatform.eval.statistics.hashing import row_keys
from aiplatform.eval.statistics.jackknife import compare_without_groups, groups_of
from aiplatform.eval.statistics.paired import Contrast

Floats = npt.NDArray[np.float64]


def keys_of(num_rows: int) -> npt.NDArray[np.uint64]:
    return row_keys([f"q{place}" for place in range(num_rows)])


def answers(rng: np.random.Generator, truths: list[str], right: float) -> list[str]:
    return [truth if rng.random() < right else str(rng.choice(["a", "b", "c"])) for truth in truths]


def paired(metric: str, truths: list[Any], left: list[Any], right: list[Any]) -> PairedAnswers:
    (measure,) = resolve([metric])
    return PairedAnswers(
        measure=measure,
        metric=metric,
        baseline=Answers(expected=truths, output=left),
        candidate=Answers(expected=truths, output=right),
    )


def compared(metric: str, truths: list[Any], left: list[Any], right: list[Any], *, level: float = 0.95) -> Contrast:
    return compare_answers(paired(metric, truths, left, right), keys_of(len(truths)), level)


def test_of_means_it_is_students_paired_test() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.random(40), rng.random(40) + 0.1
    without = [float(np.delete(right - left, place).mean()) for place in range(40)]
    found = compare_without_groups(float((right - left).mean()), without, 40, level=0.95)
    expected = stats.ttest_rel(right, left)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("metric", ["f1_macro", "mcc", "accuracy"])
def test_the_difference_is_that_of_the_metric_and_order_changes_nothing(metric: str) -> None:
    rng = np.random.default_rng(2)
    truths = [str(each) for each in rng.choice(["a", "b", "c"], size=400, p=[0.6, 0.3, 0.1])]
    left, right = answers(rng, truths, 0.5), answers(rng, truths, 0.8)
    found = compared(metric, truths, left, right)
    if metric == "f1_macro":
        wanted = f1_score(truths, right, average="macro") - f1_score(truths, left, average="macro")
        assert found.difference == pytest.approx(wanted, abs=1e-12)
    order = rng.permutation(400)
    shuffled = compare_answers(
        paired(metric, *([values[place] for place in order] for values in (truths, left, right))),
        keys_of(400)[order],
        0.95,
    )
    assert shuffled.difference == pytest.approx(found.difference, abs=1e-12)
    assert shuffled.interval == pytest.approx(found.interval, abs=1e-12)
    assert found.p is not None
    assert found.p < 0.001


def test_texts_and_numbers_are_compared_too() -> None:
    texts = [f"the cat number {place} sat on the mat today" for place in range(60)]
    worse = [text.replace("mat", "table").replace("sat", "lay") for text in texts]
    found = compared("bleu", texts, worse, texts)
    assert found.difference is not None
    assert found.interval is not None
    assert found.interval[0] > 0
    rng = np.random.default_rng(3)
    truths = [float(value) for value in rng.normal(size=80)]
    noisy = [value + float(rng.normal()) for value in truths]
    assert compared("r2", truths, noisy, truths).difference is not None


def test_equal_answers_differ_by_nothing() -> None:
    truths = [str(place % 3) for place in range(90)]
    found = compared("f1_macro", truths, truths, truths)
    assert (found.difference, found.interval, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_the_interval_covers_the_truth_as_often_as_promised() -> None:
    """F1 of two classes from counts, so that hundreds of runs are compared within a second."""

    def counts(seed: int, num_rows: int, right: float) -> Floats:
        rng = np.random.default_rng(seed)
        truths, said = rng.random(num_rows) < 0.4, rng.random(num_rows)
        given = np.where(said < right, truths, ~truths)
        return np.stack([truths & given, ~truths & given, truths & ~given], axis=1).astype(np.float64)

    def f1(sums: Floats) -> float:
        return float(2 * sums[0] / (2 * sums[0] + sums[1] + sums[2]))

    truth = f1(counts(9, 400_000, 0.8).sum(axis=0)) - f1(counts(8, 400_000, 0.7).sum(axis=0))
    groups = groups_of(keys_of(250))
    covered = 0
    for seed in range(400):
        left, right = counts(1000 + seed, 250, 0.7), counts(5000 + seed, 250, 0.8)
        whole = f1(right.sum(axis=0)) - f1(left.sum(axis=0))
        without = [
            f1(right[groups != group].sum(axis=0)) - f1(left[groups != group].sum(axis=0)) for group in range(50)
        ]
        found = compare_without_groups(whole, without, 250, level=0.95)
        assert found.interval is not None
        covered += found.interval[0] <= truth <= found.interval[1]
    assert 0.92 <= covered / 400 <= 0.98


def test_rows_of_a_cluster_stay_together() -> None:
    clusters = [f"c{place // 10}" for place in range(200)]
    groups = groups_of(row_keys(clusters))
    assert len(set(groups.tolist())) == 20
    assert all(len(set(groups[start : start + 10].tolist())) == 1 for start in range(0, 200, 10))


def test_few_groups_establish_nothing() -> None:
    truths = ["a", "b"] * 30
    keys = row_keys([f"c{place // 20}" for place in range(60)])
    assert compare_answers(paired("f1_macro", truths, ["a"] * 60, truths), keys, 0.95).too_few
