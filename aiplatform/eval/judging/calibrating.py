"""A judge's verdicts beside people's: agreement, errors, biases, and the rate that people would give."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging.agreement import DRAWS, MAX_VALUES, cohen_kappa, krippendorff_alpha
from aiplatform.eval.judging.biases import inconsistency, length_bias, position_bias
from aiplatform.eval.judging.correcting import Errors, corrected_rate, share
from aiplatform.eval.judging.model import Calibration, Estimate, Level
from aiplatform.eval.statistics.hashing import canonical_json

MAX_SHOWN_VALUES: Final = 20
DEFAULT_THRESHOLD: Final = 0.5
_WORDS: Final = {
    "yes": 1.0, "true": 1.0, "pass": 1.0, "correct": 1.0, "relevant": 1.0, "win": 1.0, "good": 1.0,
    "no": 0.0, "false": 0.0, "fail": 0.0, "incorrect": 0.0, "irrelevant": 0.0, "loss": 0.0, "bad": 0.0, "tie": 0.5,
}  # fmt: skip

Value = float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a judge said in a run, by item."""

    values: Mapping[str, Value]
    labels: Mapping[str, str] = field(default_factory=dict)
    """The words it chose, where it chooses among words."""

    unjudged: frozenset[str] = frozenset()
    """Items on which it failed or to which it does not apply."""

    lengths: Mapping[str, int] = field(default_factory=dict)
    """Characters of the answers."""

    repeats: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    """All its verdicts on an item, where it was asked more than once."""

    favoured: Mapping[str, str | None] = field(default_factory=dict)
    """Of pairs judged in both orders: the place that won in both."""


def calibrate(
    identity: str,
    scorer: str,
    verdicts: Verdicts,
    people: Mapping[str, Sequence[Any]],
    *,
    threshold: float | None = None,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Calibration:
    """How far the judge agrees with people, and what that says of its rates.

    Args:
        identity: The judge's.
        scorer: Name of its scores.
        verdicts: What it said.
        people: What people said of an item, one value a person.
        threshold: From which value on a verdict passes; by default 0.5 where all lie from 0 to 1.
        seed: Of the bootstrap.
        level: Of all intervals.
        draws: Of the bootstrap.

    Raises:
        InvalidError: People and judge have no item in common, or speak of different kinds of values.
    """
    said = {item: [value_of(each) for each in values] for item, values in people.items() if len(values)}
    in_words = any(isinstance(each, str) for values in said.values() for each in values)
    judged = {
        item: value_of(verdicts.labels.get(item, value) if in_words else value)
        for item, value in verdicts.values.items()
    }
    agreed = {item: found for item, values in said.items() if (found := consensus(values)) is not None}
    pairs = {item: (agreed[item], judged[item]) for item in sorted(agreed) if item in judged}
    if not pairs:
        raise InvalidError(
            N_("People and the judge {scorer!r} have judged no item in common."),
            hint=N_("People's verdicts are joined by the ids of the run's rows."),
            reason="judge.nothing_in_common",
            scorer=scorer,
        )
    _check_kinds(pairs)
    measured = _measured(pairs)
    threshold = _threshold(threshold, pairs)
    values = _values(pairs) if len(_values(pairs)) <= MAX_SHOWN_VALUES else ()
    units = {item: [*said[item], judged[item]] for item in pairs}
    several = {item: each for item, each in said.items() if len(each) > 1}
    equal = sum(one == two for one, two in pairs.values())
    rates = _rates(pairs, judged, said, threshold, level)
    return Calibration(
        identity=identity,
        scorer=scorer,
        labels_hash=hashlib.sha256(canonical_json(said).encode()).hexdigest(),
        n=len(pairs),
        num_raters=max(len(each) for each in said.values()),
        ties=len(said) - len(agreed),
        unjudged=len(verdicts.unjudged & set(agreed)),
        measured=measured,
        threshold=threshold,
        values=tuple(_shown(value) for value in values),
        confusion=_confusion(pairs, values),
        agreement=share(equal, len(pairs), level),
        kappa=_kappa(pairs, seed, level, draws),
        alpha=krippendorff_alpha(_rounded(units), measured, seed=seed, level=level, draws=draws),
        people_alpha=krippendorff_alpha(_rounded(several), measured, seed=seed, level=level, draws=draws)
        if several
        else None,
        inconsistency=inconsistency(verdicts.repeats, level) if verdicts.repeats else None,
        position=position_bias(list(verdicts.favoured.values()), level) if verdicts.favoured else None,
        length=_length(pairs, verdicts.lengths, threshold, level),
        seed=seed,
        **rates,
    )


def value_of(value: Any) -> Value:
    """A verdict as a number where it is one or means one, else as the label that it is.

    Raises:
        InvalidError: It is neither.
    """
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and value.strip():
        word = value.strip()
        try:
            return float(word)
        except ValueError:
            return _WORDS.get(word.casefold(), word)
    raise InvalidError(N_("{value!r} is no verdict."), reason="judge.verdict", value=str(value)[:80])


def consensus(values: Sequence[Value]) -> Value | None:
    """What most people say; None where two verdicts have equally many voices."""
    ranked = Counter(values).most_common(2)
    return ranked[0][0] if len(ranked) == 1 or ranked[0][1] > ranked[1][1] else None


def _check_kinds(pairs: Mapping[str, tuple[Value, Value]]) -> None:
    words = (
        {isinstance(value, str) for value, _ in pairs.values()},
        {isinstance(value, str) for _, value in pairs.values()},
    )
    if words[0] != words[1]:
        raise InvalidError(
            N_("People and the judge speak of different values: {people} and {judge}."),
            hint=N_("Label with what the judge says, or with numbers."),
            reason="judge.different_values",
            people=", ".join(sorted({_shown(value) for value, _ in pairs.values()})[:6]),
            judge=", ".join(sorted({_shown(value) for _, value in pairs.values()})[:6]),
        )


def _measured(pairs: Mapping[str, tuple[Value, Value]]) -> Level:
    found = {value for pair in pairs.values() for value in pair}
    if any(isinstance(value, str) for value in found) or found <= {0.0, 1.0}:
        return Level.NOMINAL
    return Level.ORDINAL if all(float(value).is_integer() for value in found) else Level.INTERVAL


def _threshold(given: float | None, pairs: Mapping[str, tuple[Value, Value]]) -> float | None:
    found = [value for pair in pairs.values() for value in pair]
    numbers = [value for value in found if isinstance(value, float)]
    if len(numbers) < len(found):
        return None
    if given is not None:
        return given
    return DEFAULT_THRESHOLD if all(0 <= value <= 1 for value in numbers) else None


def _rates(
    pairs: Mapping[str, tuple[Value, Value]],
    judged: Mapping[str, Value],
    said: Mapping[str, Any],
    threshold: float | None,
    level: float,
) -> dict[str, Any]:
    if threshold is None:
        return {}
    passed = [(_passes(people, threshold), _passes(judge, threshold)) for people, judge in pairs.values()]
    errors = Errors(
        passed_right=sum(people and judge for people, judge in passed),
        passed=sum(people for people, _ in passed),
        failed_right=sum(not people and not judge for people, judge in passed),
        failed=sum(not people for people, _ in passed),
    )
    rest = [_passes(value, threshold) for item, value in judged.items() if item not in said]
    rates = {"false_passes": errors.false_passes, "false_fails": errors.false_fails}
    if rest:
        rates["judged_rate"] = share(sum(rest), len(rest), level)
        rates["corrected_rate"] = corrected_rate(sum(rest), len(rest), errors, level)
    return rates


def _kappa(pairs: Mapping[str, tuple[Value, Value]], seed: int, level: float, draws: int) -> Estimate:
    if len(_values(pairs)) > MAX_SHOWN_VALUES:
        return Estimate(value=None, n=len(pairs), level=level)
    return cohen_kappa(pairs, seed=seed, level=level, draws=draws)


def _length(
    pairs: Mapping[str, tuple[Value, Value]], lengths: Mapping[str, int], threshold: float | None, level: float
) -> Any:
    if threshold is None or not lengths:
        return None
    people = {item: _passes(value, threshold) for item, (value, _) in pairs.items()}
    judged = {item: _passes(value, threshold) for item, (_, value) in pairs.items()}
    return length_bias(judged, people, lengths, level)


def _rounded(units: Mapping[str, Sequence[Value]]) -> Mapping[str, Sequence[Value]]:
    """Units with few enough values to draw from: shares are rounded to hundredths where they are many."""
    if len({value for said in units.values() for value in said}) <= MAX_VALUES:
        return units
    return {
        item: [round(value, 2) if isinstance(value, float) else value for value in said] for item, said in units.items()
    }


def _values(pairs: Mapping[str, tuple[Value, Value]]) -> tuple[Value, ...]:
    found = {value for pair in pairs.values() for value in pair}
    return tuple(sorted(found, key=lambda value: (isinstance(value, str), value)))


def _confusion(pairs: Mapping[str, tuple[Value, Value]], values: Sequence[Value]) -> tuple[tuple[int, ...], ...]:
    counts = Counter(pairs.values())
    return tuple(tuple(counts[people, judge] for judge in values) for people in values)


def _passes(value: Value, threshold: float) -> bool:
    return float(value) >= threshold


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"
