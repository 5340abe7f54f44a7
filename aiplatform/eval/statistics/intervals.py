"""Intervals for one number: proportions, means, clustered means, quantiles, areas under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from aiplatform.eval.statistics.exact import Moments
from aiplatform.eval.statistics.ranking import ScoreCounts, spread_of_area

Interval = tuple[float, float]

_NORMAL: Final = NormalDist()
_QUANTILE_SEARCH_BITS: Final = 60


def normal_quantile(level: float) -> float:
    """The z of a two-sided interval: 1.96 for 0.95."""
    return _NORMAL.inv_cdf((1.0 + level) / 2.0)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval | None:
    """Wilson's score interval of a proportion, without continuity correction; None of no trials.

    Source:
        Wilson 1927; equal to `prop.test(correct = FALSE)` of R.
    """
    if n == 0:
        return None
    z = normal_quantile(level)
    share = successes / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - reach) / scale
    high = 1.0 if successes == n else (centre + reach) / scale
    return low, high


def t_interval(moments: Moments, level: float = 0.95) -> Interval | None:
    """Student's interval of a mean; None of fewer than two numbers."""
    mean, variance = moments.mean, moments.variance
    if mean is None or variance is None:
        return None
    reach = float(special.stdtrit(moments.n - 1, (1 + level) / 2)) * math.sqrt(variance / moments.n)
    return mean - reach, mean + reach


def clustered_error(clusters: Mapping[str, Moments]) -> float | None:
    """Standard error of the mean where rows of one cluster depend on each other; None of fewer than two clusters.

    Source:
        Miller 2024, arXiv:2411.00640, appendix A, times C / (C - 1) for C clusters.
    """
    num_clusters = len(clusters)
    n = sum(moments.n for moments in clusters.values())
    if num_clusters < 2 or n == 0:
        return None
    # With exact sums s_c and counts n_c, the residual sum of a cluster is s_c - n_c * S / n, scaled here by n.
    total = sum(moments.units for moments in clusters.values())
    squares = sum((n * moments.units - moments.n * total) ** 2 for moments in clusters.values())
    scale = (n * n) << 1074
    return math.sqrt(squares / (scale * scale) * num_clusters / (num_clusters - 1))


def clustered_t_interval(clusters: Mapping[str, Moments], level: float = 0.95) -> Interval | None:
    """Student's interval with the clustered error and C - 1 degrees of freedom."""
    error = clustered_error(clusters)
    if error is None:
        return None
    total = sum(moments.units for moments in clusters.values())
    mean = total / (sum(moments.n for moments in clusters.values()) << 1074)
    reach = float(special.stdtrit(len(clusters) - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach


def quantile(ordered: npt.NDArray[np.float64], share: float) -> float | None:
    """The quantile of sorted numbers, interpolated as `numpy.quantile` does by default; None of nothing."""
    return float(np.quantile(ordered, share)) if len(ordered) else None


def quantile_interval(ordered: npt.NDArray[np.float64], share: float, level: float = 0.95) -> Interval | None:
    """Interval of a quantile from order statistics, free of assumptions on the distribution.

    Returns:
        None where the numbers are too few for an interval of that level on both sides.
    """
    n = len(ordered)
    tail = (1 - level) / 2
    low = _binomial_quantile(n, share, tail) - 1
    high = _binomial_quantile(n, share, 1 - tail)
    if low < 0 or high >= n:
        return None
    return float(ordered[low]), float(ordered[high])


def auc_interval(counts: ScoreCounts, level: float = 0.95) -> tuple[Interval, str] | None:
    """Interval of an area under the ROC curve, and its method; None where one class is missing.

    DeLong's error on the logit scale, which stays within (0, 1). Where it degenerates (an area of 0 or 1, a class of
    one row), Newcombe's method 5.
    """
    area = counts.auc
    if area is None:
        return None
    variance = counts.auc_variance
    z = normal_quantile(level)
    if 0.0 < area < 1.0 and variance:
        centre = math.log(area / (1 - area))
        reach = z * math.sqrt(variance) / (area * (1 - area))
        return (_expit(centre - reach), _expit(centre + reach)), "delong_logit"
    return newcombe_auc(area, counts.positives, counts.negatives, level), "newcombe"


def newcombe_auc(area: float, positives: int, negatives: int, level: float = 0.95) -> Interval:
    """Score-like interval of an area under the ROC curve: the areas whose own error reaches the observed one.

    Source:
        Newcombe 2006, Statistics in Medicine 25:559, method 5.
    """
    z = normal_quantile(level)

    def reaches(candidate: float) -> bool:
        return abs(area - candidate) <= z * math.sqrt(spread_of_area(candidate, positives, negatives))

    return _edge(reaches, area, 0.0), _edge(reaches, area, 1.0)


def _edge(reaches: Callable[[float], bool], inside: float, outside: float) -> float:
    if reaches(outside):
        return outside
    for _ in range(_QUANTILE_SEARCH_BITS):
        middle = (inside + outside) / 2
        if reaches(middle):
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _binomial_quantile(n: int, share: float, probability: float) -> int:
    """Smallest k with P(Binomial(n, share) <= k) >= probability."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if special.bdtr(middle, n, share) >= probability:
            high = middle
        else:
            low = middle
    return high


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
