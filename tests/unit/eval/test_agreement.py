"""Agreement beyond chance equals the reference implementations', with intervals that no order of items changes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from aiplatform.core.errors import InvalidError
from aiplatform.eval.judging.agreement import MAX_VALUES, cohen_kappa, krippendorff_alpha
from aiplatform.eval.judging.model import Level

NOBODY = None
# Krippendorff 2011, Computing Krippendorff's alpha-reliability, part C: four observers, twelve units.
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, NOBODY, NOBODY, NOBODY),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NOBODY, 3),
    (NOBODY, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NOBODY),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NOBODY),
)
# The example of Wikipedia: three coders, fifteen units.
CODERS = (
    (NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, 3, 4, 1, 2, 1, 1, 3, 3, NOBODY, 3),
    (1, NOBODY, 2, 1, 3, 3, 4, 3, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY),
    (NOBODY, NOBODY, 2, 1, 3, 4, 4, NOBODY, 2, 1, 1, 3, 3, NOBODY, 4),
)


def units(raters: Any) -> dict[str, list[Any]]:
    return {str(n): [value for value in said if value is not None] for n, said in enumerate(zip(*raters, strict=True))}


@pytest.mark.parametrize(
    ("raters", "level", "alpha"),
    [
        (OBSERVERS, Level.NOMINAL, 0.743),
        (OBSERVERS, Level.ORDINAL, 0.815),
        (OBSERVERS, Level.INTERVAL, 0.849),
        (CODERS, Level.NOMINAL, 0.691),
        (CODERS, Level.ORDINAL, 0.807),
        (CODERS, Level.INTERVAL, 0.811),
    ],
)
def test_alpha_is_what_was_published(raters: Any, level: Level, alpha: float) -> None:
    assert krippendorff_alpha(units(raters), level, draws=2).value == pytest.approx(alpha, abs=0.0005)


@given(st.lists(st.lists(st.integers(0, 4), min_size=0, max_size=4), min_size=1, max_size=12), st.sampled_from(Level))
def test_alpha_is_one_less_observed_over_expected_disagreement(said: list[list[int]], level: Level) -> None:
    found = krippendorff_alpha({str(n): values for n, values in enumerate(said)}, level, draws=2).value
    paired = [values for values in said if len(values) > 1]
    pooled = [value for values in paired for value in values]

    def distance(one: int, two: int) -> float:
        if level is Level.NOMINAL:
            return float(one != two)
        if level is Level.INTERVAL:
            return float((one - two) ** 2)
        low, high = sorted((one, two))
        between = sum(low <= value <= high for value in pooled)
        return float((between - (pooled.count(low) + pooled.count(high)) / 2) ** 2) if low != high else 0.0

    observed = sum(distance(*pair) / (len(values) - 1) for values in paired for pair in permutations(values, 2))
    expected = sum(distance(*pair) for pair in permutations(pooled, 2))
    if not expected:
        assert found is None
    else:
        assert found == pytest.approx(1 - (len(pooled) - 1) * observed / expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30))
def test_kappa_is_that_of_scikit_learn(said: list[tuple[int, int]]) -> None:
    found = cohen_kappa({str(n): pair for n, pair in enumerate(said)}, draws=2).value
    if len({value for pair in said for value in pair}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)), abs=1e-12)


def test_intervals_follow_from_seed_and_items_and_not_from_their_order() -> None:
    rng = np.random.default_rng(5)
    judge = rng.random(150) < 0.6
    people = np.where(rng.random(150) < 0.85, judge, ~judge)
    pairs = {f"q{n}": (bool(one), bool(two)) for n, (one, two) in enumerate(zip(people, judge, strict=True))}
    shuffled = dict(rng.permutation(np.array(list(pairs.items()), dtype=object)).tolist())
    known = cohen_kappa(pairs, seed=3)
    assert cohen_kappa({item: (pair[0], pair[1]) for item, pair in shuffled.items()}, seed=3) == known
    assert cohen_kappa(pairs, seed=4) != known
    assert known.low is not None
    assert known.high is not None
    assert known.value is not None
    assert known.low < known.value < known.high
    # The bootstrap's spread is that of the large-sample error of kappa (Fleiss, Cohen and Everitt 1969), nearly.
    assert known.high - known.low == pytest.approx(2 * 1.96 * 0.058, rel=0.25)
    alpha = krippendorff_alpha({item: list(pair) for item, pair in pairs.items()}, seed=3)
    assert krippendorff_alpha({item: list(pair) for item, pair in shuffled.items()}, seed=3) == alpha


def test_agreement_on_one_value_alone_is_not_known() -> None:
    assert cohen_kappa({"a": (1, 1), "b": (1, 1)}).value is None
    assert krippendorff_alpha({"a": [1, 1], "b": [1, 1]}).value is None
    assert krippendorff_alpha({"a": [1], "b": [2]}).value is None
    assert cohen_kappa({}).value is None


def test_too_many_different_values_are_refused() -> None:
    with pytest.raises(InvalidError, match="different values"):
        krippendorff_alpha({str(n): [n, n + 1] for n in range(MAX_VALUES)}, Level.INTERVAL)
