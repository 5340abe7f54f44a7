from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.eval.statistics.paired import Contrast, mcnemar
from aiplatform.eval.statistics.power import detectable_difference, needed_rows


def proportions(n: int, difference: float, discordant: float) -> Contrast:
    error = math.sqrt(max(discordant - difference**2, 0.0) / n)
    return Contrast(
        n=n,
        difference=difference,
        interval=None,
        method="tango",
        p=0.07,
        test="mcnemar_chi2",
        error=error,
        discordant=discordant,
    )


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


@given(st.integers(30, 5000), st.floats(0.02, 0.9))
def test_the_detectable_difference_is_the_one_that_needs_just_these_rows(n: int, discordant: float) -> None:
    found = detectable_difference(proportions(n, 0.01, discordant))
    if found is None:
        return
    needed = needed_rows(proportions(1, found, discordant))
    assert needed is not None
    assert needed == pytest.approx(n, rel=0.11, abs=2)  # rounded up to two digits


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    draw = np.random.default_rng(5)
    found = detectable_difference(proportions(400, 0.0, 0.3))
    assert found is not None
    gaining, losing = (0.3 + found) / 2, (0.3 - found) / 2
    hits = [mcnemar(int(g), int(b))[0] < 0.05 for g, b, _ in draw.multinomial(400, [gaining, losing, 0.7], 2000)]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.04)


def test_pairs_that_hardly_ever_differ_detect_nothing() -> None:
    assert detectable_difference(proportions(50, 0.0, 0.02)) is None
    assert detectable_difference(proportions(50, 0.0, 0.0)) is None


def test_means_detect_what_their_error_allows() -> None:
    found = detectable_difference(
        Contrast(n=100, difference=0.1, interval=None, method="t", p=0.3, test="t", error=0.1)
    )
    assert found == pytest.approx(0.2802, abs=1e-4)
