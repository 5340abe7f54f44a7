"""Planted errors of a judge are found, and the corrected rate's interval covers the truth as often as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from aiplatform.core.errors import InvalidError
from aiplatform.eval.judging.biases import flip_probability, inconsistency, length_bias, position_bias
from aiplatform.eval.judging.calibrating import Verdicts, calibrate, consensus, value_of
from aiplatform.eval.judging.correcting import Errors, corrected_rate
from aiplatform.eval.judging.model import Calibration, Level

FLIPS = 0.10
FALSE_PASSES = 0.15
SIMULATIONS = 500


def judged(truth: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Verdicts of a judge that passes 15 % of wrong answers, and then turns 10 % of all verdicts around."""
    passed = truth | (rng.random(truth.shape) < FALSE_PASSES)
    turned: np.ndarray[Any, Any] = passed ^ (rng.random(truth.shape) < FLIPS)
    return turned


@pytest.mark.parametrize(("rate", "labelled"), [(0.55, 200), (0.4, 200), (0.85, 120)])
def test_the_corrected_rates_interval_covers_the_truth_in_93_of_100_simulations(rate: float, labelled: int) -> None:
    rng = np.random.default_rng(2026)
    covered, naive = 0, 0
    for _ in range(SIMULATIONS):
        people, unseen = rng.random(labelled) < rate, rng.random(600) < rate
        on_people, on_unseen = judged(people, rng), judged(unseen, rng)
        errors = Errors(
            passed_right=int((people & on_people).sum()),
            passed=int(people.sum()),
            failed_right=int((~people & ~on_people).sum()),
            failed=int((~people).sum()),
        )
        found = corrected_rate(int(on_unseen.sum()), 600, errors)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= rate <= found.high
        naive += abs(on_unseen.mean() - rate) <= 1.96 * np.sqrt(on_unseen.mean() * (1 - on_unseen.mean()) / 600)
    assert covered >= 0.93 * SIMULATIONS
    # Where errors do not cancel out, the interval that ignores them is too often beside the truth.
    assert naive < 0.9 * SIMULATIONS


def test_planted_errors_are_found_with_their_size() -> None:
    rng = np.random.default_rng(8)
    items = [f"q{n}" for n in range(1600)]
    truth = rng.random(1600) < 0.6
    verdicts = {item: bool(each) for item, each in zip(items, judged(truth, rng), strict=True)}
    again = [dict(zip(items, judged(truth, rng).tolist(), strict=True)) for _ in range(2)]
    people = {item: [bool(each)] for item, each in zip(items[:800], truth[:800], strict=True)}
    repeats = {item: [verdicts[item], *(each[item] for each in again)] for item in items[:800]}
    pairs = np.where(rng.random(400) < 0.3, "first", rng.choice(["first", "second", "none"], 400))
    favoured = {str(n): None if each == "none" else str(each) for n, each in enumerate(pairs)}
    found = calibrate(
        "0" * 64, "correctness", Verdicts(values=verdicts, repeats=repeats, favoured=favoured), people, draws=500
    )
    assert found.n == 800
    wrong_passes = FALSE_PASSES * (1 - FLIPS) + (1 - FALSE_PASSES) * FLIPS
    assert_covers(found.false_passes, wrong_passes)
    assert_covers(found.false_fails, FLIPS)
    assert_covers(found.corrected_rate, float(truth[800:].mean()))
    assert found.judged_rate is not None
    assert found.judged_rate.low is not None
    assert found.judged_rate.low > truth[800:].mean() - 0.03
    assert found.position is not None
    assert found.position.is_found
    assert_covers(found.position.estimate, 0.3)
    assert found.inconsistency is not None
    # A wrong answer's verdicts differ by the false passes too; a right answer's by the flips alone.
    differing = [2 * share * (1 - share) for share in (FLIPS, wrong_passes)]
    assert_covers(found.inconsistency, 0.6 * differing[0] + 0.4 * differing[1])
    assert found.is_calibrated(0.5)
    assert not found.is_calibrated(0.8)


def test_a_judge_without_errors_is_not_accused_of_any() -> None:
    rng = np.random.default_rng(11)
    truth = {f"q{n}": bool(rng.random() < 0.5) for n in range(400)}
    lengths = {item: int(rng.integers(10, 500)) for item in truth}
    favoured = {item: [None, "first", "second"][n % 3] for n, item in enumerate(truth)}
    verdicts = Verdicts(values=truth, lengths=lengths, favoured=favoured, repeats={i: [v, v] for i, v in truth.items()})
    found = calibrate("0" * 64, "c", verdicts, {item: [each] for item, each in truth.items()}, draws=200)
    assert (found.kappa.value, found.alpha.value, found.agreement.value) == (1.0, 1.0, 1.0)
    assert found.position is not None
    assert not found.position.is_found
    assert found.length is not None
    assert not found.length.is_found
    assert found.inconsistency is not None
    assert found.inconsistency.value == 0
    assert found.corrected_rate is None  # people have judged every row


@pytest.mark.parametrize("seed", range(3))
def test_a_preference_for_length_is_found_and_equals_mantel_and_haenszels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = {str(n): bool(rng.random() < 0.5) for n in range(300)}
    lengths = {item: int(rng.integers(10, 500)) for item in people}
    middle = float(np.median(list(lengths.values())))
    passed = {
        i: (truth and rng.random() < 0.9) or (lengths[i] > middle and rng.random() < 0.3) for i, truth in people.items()
    }
    found = length_bias(passed, people, lengths)
    tables = []
    for truth in (False, True):
        table = np.zeros((2, 2))
        for item, each in people.items():
            if each is truth:
                table[int(lengths[item] <= middle), int(not passed[item])] += 1
        tables.append(table)
    assert found.p_value == pytest.approx(StratifiedTable(tables).test_null_odds().pvalue)
    assert found.is_found
    assert found.estimate.low is not None
    assert found.estimate.low > 0


def test_the_interval_of_the_length_bias_covers_it() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        people = {str(n): bool(rng.random() < 0.5) for n in range(200)}
        lengths = {item: n for n, item in enumerate(rng.permutation(list(people)).tolist())}
        passed = {i: bool(rng.random() < 0.2 + 0.5 * truth + 0.15 * (lengths[i] >= 100)) for i, truth in people.items()}
        found = length_bias(passed, people, lengths).estimate
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.15 <= found.high
    assert covered >= 182


def test_repeated_verdicts_tell_how_often_one_is_turned_around() -> None:
    found = inconsistency({"a": [1, 1], "b": [1, 0], "c": [0], "d": [0, 0]})
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.method) == (3, "wilson")
    assert flip_probability(2 * 0.1 * 0.9) == pytest.approx(0.1)
    assert inconsistency({"a": [1, 0, 0], "b": [1, 1, 1]}).value == pytest.approx(1 / 3)
    assert inconsistency({"a": [1]}).value is None


def test_places_that_win_equally_often_are_no_bias() -> None:
    assert position_bias(["first"] * 10 + ["second"] * 10).p_value == 1.0
    assert position_bias([None] * 10).p_value is None
    assert position_bias([]).estimate.value is None


def test_a_judge_no_better_than_chance_corrects_nothing() -> None:
    errors = Errors(passed_right=5, passed=10, failed_right=5, failed=10)
    assert corrected_rate(50, 100, errors).value is None
    assert corrected_rate(50, 100, Errors(passed_right=1, passed=1, failed_right=0, failed=0)).value is None


def test_people_who_disagree_are_left_out_and_counted() -> None:
    found = calibrate(
        "i",
        "c",
        Verdicts(values={"a": 1, "b": 0, "c": 1, "d": 1}, unjudged=frozenset({"e"})),
        {"a": ["pass", "pass", "fail"], "b": ["no"], "c": [True, False], "e": [1], "x": [1]},
        draws=20,
    )
    assert (found.n, found.ties, found.unjudged, found.num_raters) == (2, 1, 1, 3)
    assert found.people_alpha is not None
    assert found.confusion == ((1, 0), (0, 1))
    assert consensus([1.0, 0.0]) is None


def test_labels_and_scales_are_compared_as_what_they_are() -> None:
    labels = calibrate("i", "c", Verdicts(values={"a": "kind", "b": "rude"}), {"a": ["kind"], "b": ["kind"]}, draws=20)
    assert (labels.measured, labels.threshold, labels.values) == (Level.NOMINAL, None, ("kind", "rude"))
    assert labels.confusion == ((1, 1), (0, 0))
    scale = calibrate("i", "c", Verdicts(values={"a": 4.0, "b": 2.0}), {"a": [5], "b": ["2"]}, draws=20)
    assert (scale.measured, scale.false_passes) == (Level.ORDINAL, None)
    assert scale.alpha.value is not None
    with pytest.raises(InvalidError, match="different values"):
        calibrate("i", "c", Verdicts(values={"a": 1.0}), {"a": ["kind"]})
    with pytest.raises(InvalidError, match="no item in common"):
        calibrate("i", "c", Verdicts(values={"a": 1.0}), {"b": [1]})
    with pytest.raises(InvalidError, match="no verdict"):
        value_of([])


def test_shares_are_measured_in_amounts_however_many_there_are() -> None:
    rng = np.random.default_rng(1)
    shares = {str(n): float(each) for n, each in enumerate(rng.random(400))}
    found = calibrate("i", "g", Verdicts(values=shares), {item: [each] for item, each in shares.items()}, draws=20)
    assert (found.measured, found.kappa.value) == (Level.INTERVAL, None)
    assert found.alpha.value == pytest.approx(1.0)


def assert_covers(estimate: Any, truth: float) -> None:
    assert estimate is not None
    assert estimate.low <= truth <= estimate.high, (estimate, truth)


def test_what_people_said_is_hashed_whatever_its_order() -> None:
    def hashed(people: dict[str, list[Any]]) -> Calibration:
        return calibrate("i", "c", Verdicts(values={"a": 1, "b": 0}), people, draws=5)

    known = hashed({"a": [1], "b": [0]}).labels_hash
    assert hashed({"b": [0], "a": [True]}).labels_hash == known
    assert hashed({"a": [1], "b": [1]}).labels_hash != known


def test_people_may_speak_the_judges_words_or_what_they_are_worth() -> None:
    verdicts = Verdicts(values={"a": 1.0, "b": 0.5}, labels={"a": "kind", "b": "fair"})
    in_words = calibrate("i", "c", verdicts, {"a": ["kind"], "b": ["rude"]}, draws=5)
    assert (in_words.agreement.value, in_words.values) == (0.5, ("fair", "kind", "rude"))
    in_numbers = calibrate("i", "c", verdicts, {"a": [1], "b": [0.5]}, draws=5)
    assert (in_numbers.agreement.value, in_numbers.values) == (1.0, ("0.5", "1"))
