from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.eval.statistics.exact import Moments

numbers = st.floats(allow_nan=False, allow_infinity=False)


def moments_of(values: list[float]) -> Moments:
    moments = Moments()
    moments.add(np.array(values, dtype=np.float64))
    return moments


@given(st.lists(numbers))
def test_sums_are_the_exact_ones_for_every_finite_double(values: list[float]) -> None:
    moments = moments_of(values)
    assert Fraction(moments.units, 1 << 1074) == sum(map(Fraction, values), Fraction(0))
    assert Fraction(moments.square_units, 1 << 2148) == sum((Fraction(value) ** 2 for value in values), Fraction(0))


@given(st.lists(numbers, min_size=1), st.integers(1, 13), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_moments(values: list[float], parts: int, order: random.Random) -> None:
    shuffled = values[:]
    order.shuffle(shuffled)
    merged = Moments()
    for part in range(parts):
        merged.merge(moments_of(shuffled[part::parts]))
    assert merged == moments_of(values)


def test_the_variance_survives_a_large_mean() -> None:
    values = np.random.default_rng(0).normal(1e6, 1.0, 1000)
    moments = moments_of(values.tolist())
    assert moments.variance == pytest.approx(float(np.var(values, ddof=1)), rel=1e-12)
    assert moments.mean == pytest.approx(float(np.mean(values)), rel=1e-15)


def test_binary_numbers_are_known_as_such() -> None:
    assert moments_of([0.0, 1.0, 1.0, -0.0]).is_binary
    assert not moments_of([0.0, 0.5]).is_binary


def test_nothing_has_no_mean_and_one_number_no_variance() -> None:
    assert moments_of([]).mean is None
    assert moments_of([3.0]).variance is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        moments_of([value])
