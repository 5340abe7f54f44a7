"""What moves a judge beside the answer: place, length, and chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from aiplatform.eval.judging.correcting import share
from aiplatform.eval.judging.model import Bias, Estimate
from aiplatform.eval.statistics.exact import Moments
from aiplatform.eval.statistics.intervals import normal_quantile, t_interval


def position_bias(favoured: Sequence[str | None], level: float = 0.95) -> Bias:
    """Whether the place of an answer decides pairs that were judged in both orders.

    Args:
        favoured: `first` or `second` where that place won in both orders, None where none did.
        level: Of the interval.

    Returns:
        The share of all pairs that the first place won, less that of the second; the sign test on those two.
    """
    first, second, n = favoured.count("first"), favoured.count("second"), len(favoured)
    decided = first + second
    if not n:
        return Bias(estimate=Estimate(value=None, level=level), p_value=None, test="sign")
    # The interval of a paired difference of shares, with Agresti and Min's half an observation in every cell.
    low_share, high_share = (first + 0.5) / (n + 2), (second + 0.5) / (n + 2)
    middle = low_share - high_share
    reach = normal_quantile(level) * math.sqrt((low_share + high_share - middle * middle) / (n + 2))
    estimate = Estimate(
        value=(first - second) / n,
        low=max(-1.0, middle - reach),
        high=min(1.0, middle + reach),
        n=n,
        method="agresti_min",
        level=level,
    )
    p_value = float(stats.binomtest(first, decided).pvalue) if decided else None
    return Bias(estimate=estimate, p_value=p_value, test="sign")


def length_bias(
    judged: Mapping[str, bool], people: Mapping[str, bool], lengths: Mapping[str, int], level: float = 0.95
) -> Bias:
    """Whether the judge passes longer answers more often than shorter ones that people judge alike.

    Args:
        judged: Whether the judge passes an item.
        people: Whether people do.
        lengths: Characters of the item's answer.
        level: Of the interval.

    Returns:
        The difference of the judge's pass rates, longer half less shorter half, within what people pass and fail.

    Source:
        Mantel and Haenszel's risk difference with the variance of Sato 1989, and their test.
    """
    items = [item for item in judged if item in people and item in lengths]
    if not items:
        return Bias(estimate=Estimate(value=None, level=level), p_value=None, test="mantel_haenszel")
    strata = [_halves(items, judged, people, lengths, truth) for truth in (False, True)]
    weights = [(long.of * short.of / (long.of + short.of)) if long.of and short.of else 0.0 for long, short in strata]
    total = sum(weights)
    if not total:
        return Bias(estimate=Estimate(value=None, level=level), p_value=None, test="mantel_haenszel")
    both = [(pair, weight) for pair, weight in zip(strata, weights, strict=True) if weight]
    difference = sum(weight * (long.rate - short.rate) for (long, short), weight in both) / total
    variance = sum(_sato(long, short, difference) for (long, short), _ in both) / total**2
    reach = normal_quantile(level) * math.sqrt(max(variance, 0.0))
    estimate = Estimate(
        value=difference,
        low=max(-1.0, difference - reach),
        high=min(1.0, difference + reach),
        n=len(items),
        method="mantel_haenszel",
        level=level,
    )
    return Bias(estimate=estimate, p_value=_mantel_haenszel_p([pair for pair, _ in both]), test="mantel_haenszel")


def inconsistency(repeats: Mapping[str, Sequence[Any]], level: float = 0.95) -> Estimate:
    """How often two verdicts of one judge on one item differ: its flip rate.

    Args:
        repeats: The verdicts on each item; items with one say nothing.
        level: Of the interval.
    """
    shares = [_differing(said) for said in repeats.values() if len(said) > 1]
    if all(each in (0.0, 1.0) for each in shares):
        return share(int(sum(shares)), len(shares), level)
    moments = Moments()
    moments.add(np.array(shares))
    found = t_interval(moments, level)
    return Estimate(
        value=moments.mean,
        low=max(0.0, found[0]) if found else None,
        high=min(1.0, found[1]) if found else None,
        n=len(shares),
        method="t" if found else "",
        level=level,
    )


def flip_probability(differing: float) -> float:
    """How often each verdict is turned around by chance, where that is why two of them differ: d = 2 f (1 - f)."""
    return (1 - math.sqrt(max(0.0, 1 - 2 * differing))) / 2


@dataclass(frozen=True, slots=True)
class _Half:
    passed: int
    of: int

    @property
    def rate(self) -> float:
        return self.passed / self.of


def _halves(
    items: Sequence[str],
    judged: Mapping[str, bool],
    people: Mapping[str, bool],
    lengths: Mapping[str, int],
    truth: bool,
) -> tuple[_Half, _Half]:
    middle = float(np.median([lengths[item] for item in items]))
    these = [item for item in items if people[item] is truth]
    long, short = ([item for item in these if (lengths[item] > middle) is side] for side in (True, False))
    return _Half(sum(judged[item] for item in long), len(long)), _Half(sum(judged[item] for item in short), len(short))


def _sato(long: _Half, short: _Half, difference: float) -> float:
    n = long.of + short.of
    long_failed, short_failed = long.of - long.passed, short.of - short.passed
    p = (long.of**2 * short.passed - short.of**2 * long.passed + long.of * short.of * (short.of - long.of) / 2) / n**2
    q = (long.passed * short_failed + short.passed * long_failed) / (2 * n)
    return difference * p + q


def _mantel_haenszel_p(strata: Sequence[tuple[_Half, _Half]]) -> float | None:
    surplus, variance = 0.0, 0.0
    for long, short in strata:
        n, passed = long.of + short.of, long.passed + short.passed
        if n < 2:
            continue
        surplus += long.passed - long.of * passed / n
        variance += long.of * short.of * passed * (n - passed) / (n * n * (n - 1))
    return float(stats.chi2.sf(surplus * surplus / variance, 1)) if variance else None


def _differing(said: Sequence[Any]) -> float:
    n = len(said)
    counts = [said.count(value) for value in dict.fromkeys(said)]
    return 1 - sum(count * (count - 1) for count in counts) / (n * (n - 1))
