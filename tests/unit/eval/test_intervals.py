from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint

from aiplatform.eval.statistics.exact import Moments
from aiplatform.eval.statistics.intervals import (
    auc_interval,
    clustered_error,
    clustered_t_interval,
    newcombe_auc,
    quantile,
    quantile_interval,
    t_interval,
    wilson,
)
from aiplatform.eval.statistics.ranking import ScoreCounts


def moments_of(values: object) -> Moments:
    moments = Moments()
    moments.add(np.asarray(values, dtype=np.float64))
    return moments


@given(
    st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99])
)
def test_wilson_equals_statsmodels(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    found = wilson(successes, n, level)
    assert found == pytest.approx(proportion_confint(successes, n, alpha=1 - level, method="wilson"), abs=1e-12)


def test_no_trials_have_no_interval() -> None:
    assert wilson(0, 0) is None
    assert t_interval(moments_of([1.0])) is None
    assert auc_interval(ScoreCounts()) is None


def test_the_t_interval_equals_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 2, 57)
    expected = stats.t.interval(0.95, 56, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(moments_of(values)) == pytest.approx(expected, rel=1e-12)


def test_the_clustered_error_equals_statsmodels() -> None:
    draw = np.random.default_rng(1)
    clusters = draw.integers(0, 23, 300)
    values = draw.normal(size=300) + draw.normal(size=23)[clusters]
    fitted = OLS(values, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    grouped = {str(name): moments_of(values[clusters == name]) for name in np.unique(clusters)}
    assert clustered_error(grouped) == pytest.approx(float(fitted.bse[0]), rel=1e-12)
    assert clustered_t_interval(grouped) == pytest.approx(tuple(fitted.conf_int()[0]), rel=1e-10)


def test_one_cluster_has_no_error() -> None:
    assert clustered_error({"only": moments_of([1.0, 2.0])}) is None


def test_the_quantile_is_numpys() -> None:
    ordered = np.sort(np.random.default_rng(2).random(101))
    assert quantile(ordered, 0.95) == float(np.quantile(ordered, 0.95))
    assert quantile(np.empty(0), 0.5) is None


def test_the_quantiles_interval_covers_it_as_often_as_promised() -> None:
    draw = np.random.default_rng(3)
    truth = float(stats.expon.ppf(0.95))
    covered = 0
    for _ in range(500):
        found = quantile_interval(np.sort(draw.exponential(size=200)), 0.95)
        assert found is not None
        covered += found[0] <= truth <= found[1]
    assert covered / 500 >= 0.935


def test_few_numbers_have_no_interval_of_a_far_quantile() -> None:
    assert quantile_interval(np.arange(20.0), 0.99) is None


def test_the_area_interval_stays_inside_and_covers_as_often_as_promised() -> None:
    draw = np.random.default_rng(4)
    truth = float(stats.norm.cdf(1 / math.sqrt(2)))
    covered = 0
    for _ in range(400):
        counts = ScoreCounts()
        truths = np.arange(120) < 50
        counts.add(draw.normal(size=120) + truths, truths)
        found = auc_interval(counts)
        assert found is not None
        (low, high), method = found
        assert 0 < low < high < 1
        assert method == "delong_logit"
        covered += low <= truth <= high
    assert covered / 400 >= 0.92


def test_a_perfect_area_still_has_an_interval() -> None:
    counts = ScoreCounts()
    counts.add(np.arange(40.0), np.arange(40) >= 20)
    found = auc_interval(counts)
    assert found is not None
    (low, high), method = found
    assert method == "newcombe"
    assert high == 1.0
    assert 0.8 < low < 0.95
    assert newcombe_auc(0.0, 20, 20)[0] == 0.0
