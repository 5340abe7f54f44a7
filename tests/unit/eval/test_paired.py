from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from aiplatform.eval.statistics.hashing import row_keys
from aiplatform.eval.statistics.paired import (
    compare_areas,
    compare_clustered,
    compare_means,
    compare_proportions,
    mcnemar,
    tango,
    wilcoxon,
)

counts = st.integers(0, 80)


@given(counts, counts)
def test_mcnemar_equals_statsmodels(gains: int, losses: int) -> None:
    p, test = mcnemar(gains, losses)
    is_exact = gains + losses < 25
    assert test == ("mcnemar_exact" if is_exact else "mcnemar_chi2")
    table = [[0, losses], [gains, 0]]
    if gains == losses and not is_exact:
        assert p == 1.0  # the correction would turn no difference into one
    else:
        expected = reference_mcnemar(table, exact=is_exact, correction=True).pvalue
        assert p == pytest.approx(min(1.0, expected), abs=1e-12)


def score_statistic(gains: int, losses: int, n: int, difference: float) -> float:
    """Tango's statistic with the nuisance parameter found by maximising the likelihood, not by a formula."""

    def negative_log_likelihood(losing: float) -> float:
        winning = losing + difference
        rest = 1 - losing - winning
        parts = ((gains, winning), (losses, losing), (n - gains - losses, rest))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in parts if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = optimize.minimize_scalar(
        negative_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}
    )
    variance = n * (2 * found.x + difference - difference**2)
    return float((gains - losses - n * difference) / math.sqrt(variance))


@pytest.mark.parametrize(("gains", "losses", "n"), [(40, 20, 160), (12, 2, 50), (5, 9, 269), (30, 31, 400), (1, 7, 20)])
def test_the_ends_of_tangos_interval_are_where_the_score_test_just_rejects(gains: int, losses: int, n: int) -> None:
    low, high = tango(gains, losses, n)
    z = stats.norm.ppf(0.975)
    assert score_statistic(gains, losses, n, low) == pytest.approx(z, abs=1e-4)
    assert score_statistic(gains, losses, n, high) == pytest.approx(-z, abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))))
def test_tangos_interval_holds_the_difference_and_turns_with_the_sides(table: tuple[int, int, int]) -> None:
    gains, losses, n = table[0], min(table[1], table[2] - table[0]), table[2]
    low, high = tango(gains, losses, n)
    assert -1 <= low <= (gains - losses) / n <= high <= 1
    assert tango(losses, gains, n) == pytest.approx((-high, -low), abs=1e-9)


def test_tangos_interval_covers_as_often_as_promised() -> None:
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(1500):
        gains, losses, _ = draw.multinomial(80, [0.15, 0.08, 0.77])
        low, high = tango(int(gains), int(losses), 80)
        covered += low <= 0.07 <= high
    assert covered / 1500 == pytest.approx(0.95, abs=0.015)


def test_paired_proportions_carry_difference_interval_and_test() -> None:
    baseline = np.array([1.0] * 40 + [0.0] * 60)
    candidate = np.array([1.0] * 38 + [0.0] * 2 + [1.0] * 20 + [0.0] * 40)
    found = compare_proportions(baseline, candidate)
    assert found.difference == pytest.approx(0.18)
    assert found.interval == tango(20, 2, 100)
    assert found.test == "mcnemar_exact"
    assert found.discordant == pytest.approx(0.22)


def test_paired_means_use_the_bootstrap_or_wilcoxon() -> None:
    draw = np.random.default_rng(1)
    baseline = draw.random(200)
    candidate = baseline + draw.normal(0.05, 0.1, 200)
    keys = row_keys([str(place) for place in range(200)])
    found = compare_means(baseline, candidate, keys)
    expected = stats.t.interval(0.95, 199, loc=(candidate - baseline).mean(), scale=stats.sem(candidate - baseline))
    assert found.interval == pytest.approx(expected, abs=0.002)
    assert found.p is not None
    assert found.p < 0.001
    ranked = compare_means(baseline, candidate, keys, test="wilcoxon")
    assert ranked.p == pytest.approx(
        stats.wilcoxon(candidate - baseline, method="asymptotic", correction=True).pvalue, rel=1e-12
    )


def test_wilcoxon_is_exact_where_it_can_be() -> None:
    differences = np.array([0.0, 1.0, -2.0, 3.0, 4.0, 5.5, -6.0, 7.0])
    expected = stats.wilcoxon(differences[1:], method="exact").pvalue
    assert wilcoxon(differences) == pytest.approx(expected)
    assert wilcoxon(np.zeros(5)) == 1.0


def test_equal_versions_differ_in_nothing() -> None:
    values = np.array([0.2, 0.4, 0.6])
    found = compare_means(values, values, row_keys(["a", "b", "c"]))
    assert (found.difference, found.p) == (0.0, 1.0)
    areas = compare_areas(np.arange(10.0), np.arange(10.0), np.arange(10) > 4)
    assert (areas.difference, areas.p) == (0.0, 1.0)


def test_clusters_widen_the_interval_of_rows_that_repeat_each_other() -> None:
    draw = np.random.default_rng(2)
    differences = np.repeat(draw.normal(0.05, 0.2, 30), 10)
    clusters = [str(place // 10) for place in range(300)]
    baseline = np.zeros(300)
    clustered = compare_clustered(baseline, differences, clusters)
    alone = compare_means(baseline, differences, row_keys([str(place) for place in range(300)]))
    one_each = stats.ttest_1samp(differences[::10], 0.0)
    assert clustered.p == pytest.approx(float(one_each.pvalue), rel=1e-9)
    assert clustered.interval is not None
    assert alone.interval is not None
    assert clustered.interval[1] - clustered.interval[0] > 2.5 * (alone.interval[1] - alone.interval[0])


def test_clusters_without_spread_establish_nothing() -> None:
    found = compare_clustered(np.zeros(4), np.ones(4), ["a", "a", "b", "b"])
    assert found.p is None


def test_the_paired_t_test_is_scipys() -> None:
    draw = np.random.default_rng(4)
    baseline = draw.random(40)
    candidate = baseline + draw.normal(0.02, 0.1, 40)
    found = compare_means(baseline, candidate, row_keys([str(place) for place in range(40)]), test="t")
    expected = stats.ttest_rel(candidate, baseline)
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-9)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)
    assert (found.method, found.test) == ("t", "t")


@pytest.mark.parametrize("num_clusters", [3, 12])
def test_clustered_differences_equal_statsmodels(num_clusters: int) -> None:
    draw = np.random.default_rng(num_clusters)
    clusters = draw.integers(0, num_clusters, 90)
    baseline = draw.random(90)
    candidate = baseline + 0.05 * clusters + draw.normal(0, 0.2, 90)
    found = compare_clustered(baseline, candidate, [str(each) for each in clusters])
    fit = sm.OLS(candidate - baseline, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True, "df_correction": True}, use_t=True
    )
    assert found.difference == pytest.approx(float(fit.params[0]), rel=1e-12)
    assert found.error == pytest.approx(float(fit.bse[0]), rel=1e-9)
    assert found.p == pytest.approx(float(fit.pvalues[0]), rel=1e-6)
    assert found.interval == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-6)


@pytest.mark.parametrize("test", ["bootstrap", "t"])
def test_a_handful_of_rows_establishes_nothing_whatever_their_p(test: str) -> None:
    baseline, candidate = np.zeros(4), np.array([0.2, 0.21, 0.19, 0.2])
    found = compare_means(baseline, candidate, row_keys(["a", "b", "c", "d"]), test=test)
    assert found.p is not None
    assert found.p < 0.01
    assert found.too_few
