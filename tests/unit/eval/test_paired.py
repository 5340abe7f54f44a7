from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from aiplatform.eval.statistics.hashing import row_keys
from aiplatform.eval.statistics.paired import (
    Contrast,
    compare_areas,
    compare_clustered,
    compare_means,
    compare_proportions,
    holm,
    holm_levels,
    mcnemar,
    needed_rows,
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


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_equals_statsmodels_and_leaves_out_what_has_no_p(p_values: list[float | None]) -> None:
    known = [p for p in p_values if p is not None]
    expected = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert (adjusted is None) if p is None else adjusted == pytest.approx(next(expected), abs=1e-12)


def test_holm_tests_each_p_at_its_own_level() -> None:
    assert holm_levels([0.04, 0.001, None], 0.05) == [0.05, 0.025, 0.05]


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


def test_the_needed_rows_reach_the_power_they_promise() -> None:
    draw = np.random.default_rng(3)
    gaining, losing = 0.16, 0.10
    discordant, difference = gaining + losing, gaining - losing
    error = math.sqrt((discordant - difference**2) / 269)
    contrast = Contrast(
        n=269,
        difference=difference,
        interval=None,
        method="tango",
        p=0.07,
        test="mcnemar_chi2",
        error=error,
        discordant=discordant,
    )
    rows = needed_rows(contrast)
    assert rows == 570
    found = [mcnemar(int(g), int(b))[0] < 0.05 for g, b, _ in draw.multinomial(rows, [gaining, losing, 0.74], 2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def test_no_difference_needs_no_number_of_rows() -> None:
    nothing = Contrast(n=50, difference=0.0, interval=None, method="", p=1.0, test="", error=0.1)
    assert needed_rows(nothing) is None
