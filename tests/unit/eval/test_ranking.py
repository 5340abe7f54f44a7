from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.ranking import ScoreCounts, Truths, compare_auc

rows = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


def columns(pairs: list[tuple[int, bool]]) -> tuple[Floats, Truths]:
    return np.array([score / 3 for score, _ in pairs]), np.array([truth for _, truth in pairs])


def counts_of(scores: Floats, truths: Truths) -> ScoreCounts:
    counts = ScoreCounts()
    counts.add(scores, truths)
    return counts


@settings(max_examples=40)
@given(rows)
def test_the_area_equals_sklearn_with_ties(pairs: list[tuple[int, bool]]) -> None:
    scores, truths = columns(pairs)
    assume(truths.any() and not truths.all())
    assert counts_of(scores, truths).auc == pytest.approx(roc_auc_score(truths, scores), abs=1e-12)


@given(rows, st.integers(1, 13))
def test_any_split_gives_the_same_counts(pairs: list[tuple[int, bool]], parts: int) -> None:
    scores, truths = columns(pairs)
    merged = ScoreCounts()
    for part in range(parts):
        merged.merge(counts_of(scores[part::parts], truths[part::parts]))
    assert merged == counts_of(scores, truths)


def test_one_class_has_no_area_no_threshold_and_no_variance() -> None:
    counts = counts_of(np.array([1.0, 2.0]), np.array([True, True]))
    assert (counts.auc, counts.auc_variance, counts.best_threshold()) == (None, None, None)


def test_the_variance_is_that_of_the_structural_components() -> None:
    draw = np.random.default_rng(0)
    truths = np.arange(90) < 40
    scores = np.round(draw.normal(size=90) + truths, 1)
    wins = (scores[truths][:, None] > scores[~truths]) + 0.5 * (scores[truths][:, None] == scores[~truths])
    expected = wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 50
    assert counts_of(scores, truths).auc_variance == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25)
@given(rows)
def test_the_threshold_has_the_best_balanced_accuracy(pairs: list[tuple[int, bool]]) -> None:
    scores, truths = columns(pairs)
    assume(truths.any() and not truths.all())
    threshold = counts_of(scores, truths).best_threshold()
    assert threshold is not None
    reached = balanced_accuracy_score(truths, scores >= threshold)
    others = [balanced_accuracy_score(truths, scores >= other) for other in set(scores.tolist())]
    assert reached == pytest.approx(max(others), abs=1e-12)


def test_paired_areas_differ_by_delongs_error() -> None:
    draw = np.random.default_rng(1)
    truths = np.arange(200) < 80
    shared = draw.normal(size=200) + truths
    left, right = shared + 0.3 * draw.normal(size=200), shared + 0.9 * draw.normal(size=200)
    found = compare_auc(left, right, truths)
    assert found is not None
    resampled = []
    for _ in range(2000):
        chosen = np.concatenate([draw.choice(np.flatnonzero(part), part.sum()) for part in (truths, ~truths)])
        areas = [counts_of(scores[chosen], truths[chosen]).auc or 0.0 for scores in (left, right)]
        resampled.append(areas[1] - areas[0])
    assert found.difference == pytest.approx(roc_auc_score(truths, right) - roc_auc_score(truths, left), abs=1e-12)
    assert found.error == pytest.approx(float(np.std(resampled)), rel=0.08)


def test_perfect_against_none_is_not_free_of_error() -> None:
    truths = np.arange(20) < 10
    found = compare_auc(np.zeros(20), truths.astype(np.float64), truths)
    assert found is not None
    assert found.difference == 0.5
    assert found.error > 0.05


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no rank"):
        counts_of(np.array([np.nan]), np.array([True]))
