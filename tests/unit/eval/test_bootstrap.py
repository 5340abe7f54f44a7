from __future__ import annotations

import numpy as np
import pytest

from aiplatform.eval.statistics.bootstrap import (
    MAX_ROWS,
    percentile_interval,
    poisson_weights,
    replicate,
    replicate_means,
    two_sided_p,
)
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import row_keys
from aiplatform.eval.statistics.intervals import wilson


def ids(n: int) -> list[str]:
    return [f"row {place}" for place in range(n)]


def test_weights_are_poisson_with_mean_and_variance_one() -> None:
    weights = poisson_weights(row_keys(ids(500)), np.arange(500, dtype=np.uint64))
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.var() == pytest.approx(1.0, abs=0.02)
    assert np.mean(weights == 0) == pytest.approx(np.exp(-1), abs=0.005)


@pytest.mark.parametrize("n", [300, MAX_ROWS + 500])
def test_replicates_do_not_depend_on_the_order_of_rows(n: int) -> None:
    values = np.random.default_rng(1).random(n)
    keys = row_keys(ids(n), seed=7)
    order = np.random.default_rng(2).permutation(n)
    straight, shuffled = replicate_means(keys, values, 300), replicate_means(keys[order], values[order], 300)
    assert (straight == shuffled).all()


def test_another_seed_draws_other_replicates() -> None:
    values = np.random.default_rng(1).random(50)
    first, second = (replicate_means(row_keys(ids(50), seed), values, 100) for seed in (0, 1))
    assert (first != second).any()


@pytest.mark.parametrize("n", [269, 20_000])
def test_the_interval_of_a_proportion_agrees_with_wilson(n: int) -> None:
    values = (np.random.default_rng(3).random(n) < 0.6).astype(np.float64)
    found = percentile_interval(replicate_means(row_keys(ids(n)), values, 4000), 0.95)
    expected = wilson(int(values.sum()), n)
    assert found is not None
    assert expected is not None
    half_width = (expected[1] - expected[0]) / 2
    assert found == pytest.approx(expected, abs=0.12 * half_width)


def test_rows_of_one_cluster_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(4).random(40), 10)
    alone = replicate_means(row_keys(ids(400)), values, 2000).std()
    together = replicate_means(row_keys([f"c{place // 10}" for place in range(400)]), values, 2000).std()
    assert together / alone == pytest.approx(np.sqrt(10), rel=0.1)


def test_any_weighted_statistic_can_be_drawn() -> None:
    def weighted_mean(weights: Floats, values: Floats) -> Floats:
        return np.asarray(weights @ values / weights.sum(axis=1))

    values = np.random.default_rng(5).random(100)
    keys = row_keys(ids(100))
    found, drawn = replicate(keys, (values,), 500, weighted_mean)
    assert drawn == 500
    assert found == pytest.approx(replicate_means(keys, values, 500))


def test_p_is_never_zero() -> None:
    assert two_sided_p(np.full(999, 2.0)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.array([-1.0, 1.0])) == 1.0


def test_nothing_has_no_interval() -> None:
    assert percentile_interval(replicate_means(row_keys([]), np.empty(0), 100), 0.95) is None
