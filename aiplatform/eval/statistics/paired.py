"""Two versions on the same rows: differences, their intervals, and whether they are established."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from aiplatform.eval.model import Effect
from aiplatform.eval.statistics.bootstrap import percentile_interval, replicate_means, two_sided_p
from aiplatform.eval.statistics.effects import effects_of_means, effects_of_proportions
from aiplatform.eval.statistics.exact import Floats, Moments
from aiplatform.eval.statistics.hashing import Keys
from aiplatform.eval.statistics.intervals import Interval, clustered_error, normal_quantile, t_interval
from aiplatform.eval.statistics.ranking import Truths, compare_auc

EXACT_BELOW: Final = 25
"""Discordant pairs below which McNemar's test is exact."""

FEWEST_PAIRS: Final = 20
"""Pairs below which neither bootstrap nor Student's t may establish anything; exact tests need no floor."""

FEWEST_CLUSTERS: Final = 5
FEWEST_OF_CLASS: Final = 10
"""Rows of either truth below which DeLong's error is not trusted."""

MEAN_TESTS: Final = ("bootstrap", "wilcoxon", "t")

_SEARCH_STEPS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Candidate minus baseline over paired rows."""

    n: int
    difference: float | None
    interval: Interval | None
    method: str
    p: float | None
    test: str
    error: float | None
    """Standard error of the difference, for sample sizes."""

    discordant: float | None = None
    """Share of pairs that differ, for proportions."""

    effects: tuple[Effect, ...] = ()
    too_few: bool = False
    """Whether interval and p rest on so little that nothing may be established by them."""


def mcnemar(gains: int, losses: int) -> tuple[float, str]:
    """Two-sided p of McNemar's test from the discordant pairs, and the form it took.

    Returns:
        `mcnemar_exact` (binomial) below 25 discordant pairs, else `mcnemar_chi2` with Edwards' correction.
    """
    discordant = gains + losses
    if discordant < EXACT_BELOW:
        tail = sum(math.comb(discordant, k) for k in range(min(gains, losses) + 1))
        return min(1.0, 2 * tail / 2**discordant), "mcnemar_exact"
    statistic = (abs(gains - losses) - 1) ** 2 / discordant if gains != losses else 0.0
    return math.erfc(math.sqrt(statistic / 2)), "mcnemar_chi2"


def tango(gains: int, losses: int, n: int, level: float = 0.95) -> Interval:
    """Score interval of the difference of two paired proportions, (gains - losses) / n.

    Source:
        Tango 1998, Statistics in Medicine 17:891: the differences that the score test would not reject.
    """
    z = normal_quantile(level)

    def statistic(difference: float) -> float:
        linear = -gains - losses + (2 * n - gains + losses) * difference
        root = math.sqrt(max(linear * linear + 8 * n * losses * difference * (1 - difference), 0.0))
        nuisance = (root - linear) / (4 * n)
        spread = n * (2 * nuisance + difference * (1 - difference))
        distance = gains - losses - n * difference
        if spread <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(spread)

    centre = (gains - losses) / n

    def edge(outside: float, is_within: float) -> float:
        inside = centre
        if abs(statistic(outside)) <= z:
            return outside
        for _ in range(_SEARCH_STEPS):
            middle = (inside + outside) / 2
            if is_within * statistic(middle) <= z:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return edge(-1.0, 1.0), edge(1.0, -1.0)


def compare_proportions(baseline: Floats, candidate: Floats, level: float = 0.95) -> Contrast:
    """Paired outcomes of 0 and 1: McNemar's test, Tango's interval."""
    n = len(baseline)
    gains, losses = int(np.sum(candidate > baseline)), int(np.sum(candidate < baseline))
    p, test = mcnemar(gains, losses)
    if n == 0:
        return _nothing("tango", test)
    difference = (gains - losses) / n
    discordant = (gains + losses) / n
    return Contrast(
        n=n,
        difference=difference,
        interval=tango(gains, losses, n, level),
        method="tango",
        p=p,
        test=test,
        error=math.sqrt(max(discordant - difference * difference, 0.0) / n),
        discordant=discordant,
        effects=effects_of_proportions(baseline, candidate),
    )


def compare_means(
    baseline: Floats,
    candidate: Floats,
    keys: Keys,
    *,
    level: float = 0.95,
    num_draws: int = 10_000,
    test: str = "bootstrap",
) -> Contrast:
    """Paired numbers: the mean difference with its interval, and a test.

    Args:
        keys: Of the rows, or of their clusters, as `row_keys` gives them.
        test: `bootstrap`, `wilcoxon` or `t`.
    """
    differences = candidate - baseline
    moments = Moments()
    moments.add(differences)
    if moments.n < 2:
        return _nothing("bootstrap", test, difference=moments.mean, n=moments.n)
    if test == "t":
        interval, p, method = t_interval(moments, level), paired_t(moments), "t"
    else:
        replicates = replicate_means(keys, differences, num_draws)
        interval, method = percentile_interval(replicates, level), "bootstrap"
        p = wilcoxon(differences) if test == "wilcoxon" else two_sided_p(replicates)
    variance = moments.variance or 0.0
    return Contrast(
        n=moments.n,
        difference=moments.mean,
        interval=interval,
        method=method,
        p=1.0 if variance == 0.0 and moments.mean == 0.0 else p,
        test=test,
        error=math.sqrt(variance / moments.n),
        effects=effects_of_means(baseline, candidate),
        too_few=moments.n < FEWEST_PAIRS,
    )


def paired_t(moments: Moments) -> float | None:
    """Two-sided p of Student's paired test; None of fewer than two pairs, or where all differ alike."""
    mean, variance = moments.mean, moments.variance
    if mean is None or not variance:
        return None
    return 2 * float(special.stdtr(moments.n - 1, -abs(mean) / math.sqrt(variance / moments.n)))


def compare_clustered(baseline: Floats, candidate: Floats, clusters: Sequence[str], level: float = 0.95) -> Contrast:
    """Paired numbers of rows that depend on each other within a cluster: Student's t on the clustered error."""
    differences = candidate - baseline
    labels = np.asarray(clusters, dtype=object)
    by_cluster: dict[str, Moments] = {}
    for cluster in sorted(set(clusters)):
        moments = Moments()
        moments.add(differences[labels == cluster])
        by_cluster[cluster] = moments
    whole = Moments()
    whole.add(differences)
    error = clustered_error(by_cluster)
    if error is None or whole.mean is None:
        return _nothing("clustered_t", "clustered_t", difference=whole.mean, n=whole.n)
    freedom = len(by_cluster) - 1
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    p: float | None
    if error == 0.0:
        p = 1.0 if whole.mean == 0.0 else None  # clusters that all agree show no spread to test against
    else:
        p = 2 * float(special.stdtr(freedom, -abs(whole.mean / error)))
    return Contrast(
        n=whole.n,
        difference=whole.mean,
        interval=(whole.mean - reach, whole.mean + reach),
        method="clustered_t",
        p=p,
        test="clustered_t",
        error=error,
        effects=effects_of_means(baseline, candidate),
        too_few=len(by_cluster) < FEWEST_CLUSTERS,
    )


def compare_areas(baseline: Floats, candidate: Floats, truths: Truths, level: float = 0.95) -> Contrast:
    """Two confidences of the same rows against one truth: DeLong's paired test."""
    found = compare_auc(baseline, candidate, truths)
    if found is None:
        return _nothing("delong", "delong", n=len(truths))
    reach = normal_quantile(level) * found.error
    p = 1.0
    if found.error > 0.0:
        p = math.erfc(abs(found.difference / found.error) / math.sqrt(2))
    return Contrast(
        n=len(truths),
        difference=found.difference,
        interval=(max(-1.0, found.difference - reach), min(1.0, found.difference + reach)),
        method="delong",
        p=p,
        test="delong",
        error=found.error,
        too_few=min(int(truths.sum()), int((~truths).sum())) < FEWEST_OF_CLASS,
    )


def wilcoxon(differences: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, zeros dropped.

    Exact up to 50 differences without ties, else the normal approximation with continuity correction.
    """
    from scipy import stats  # noqa: PLC0415 - takes a second to import, and only this test needs it

    kept = differences[differences != 0.0]
    if not len(kept):
        return 1.0
    has_ties = len(np.unique(np.abs(kept))) < len(kept)
    method = "exact" if len(kept) <= 50 and not has_ties else "asymptotic"
    return float(stats.wilcoxon(kept, method=method, correction=method == "asymptotic").pvalue)


def _nothing(method: str, test: str, *, difference: float | None = None, n: int = 0) -> Contrast:
    return Contrast(n=n, difference=difference, interval=None, method=method, p=None, test=test, error=None)
