from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_effectsize

from aiplatform.eval.statistics.effects import (
    cliffs_delta,
    cohens_d_z,
    cohens_h,
    effects_of_means,
    effects_of_proportions,
    matched_odds_ratio,
)

numbers = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@given(st.floats(0, 1), st.floats(0, 1))
def test_cohens_h_equals_statsmodels(baseline: float, candidate: float) -> None:
    assert cohens_h(baseline, candidate) == pytest.approx(proportion_effectsize(candidate, baseline), abs=1e-12)


@given(numbers, numbers)
def test_cliffs_delta_is_what_the_rank_test_counts(baseline: list[int], candidate: list[int]) -> None:
    statistic = stats.mannwhitneyu(candidate, baseline).statistic
    expected = 2 * statistic / (len(baseline) * len(candidate)) - 1
    found = cliffs_delta(np.array(baseline, dtype=float), np.array(candidate, dtype=float))
    assert found == pytest.approx(expected, abs=1e-12)


def test_d_z_is_the_t_of_the_paired_test_without_its_rows() -> None:
    draw = np.random.default_rng(0)
    differences = draw.normal(0.2, 1.0, 50)
    assert cohens_d_z(differences) == pytest.approx(stats.ttest_1samp(differences, 0.0).statistic / math.sqrt(50))
    assert cohens_d_z(np.ones(5)) is None


def test_the_odds_of_pairs_that_differ_are_those_of_the_table() -> None:
    assert matched_odds_ratio(12, 4) == 3.0
    assert matched_odds_ratio(3, 0) is None
    assert mcnemar([[10, 4], [12, 10]], exact=True).statistic == 4  # the same table, whose odds are 12 : 4


def test_effects_come_with_the_kind_of_the_metric() -> None:
    outcomes = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    assert [effect.name for effect in effects_of_proportions(*outcomes)] == ["cohens_h", "odds_ratio"]
    assert [effect.name for effect in effects_of_means(np.arange(4.0), np.arange(4.0) ** 2)] == [
        "cohens_d_z",
        "cliffs_delta",
    ]
    assert effects_of_proportions(np.empty(0), np.empty(0)) == ()
