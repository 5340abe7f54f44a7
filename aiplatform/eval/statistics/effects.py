"""How large a difference is, whatever the number of rows: standardized, as odds, as a share of won pairs."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from aiplatform.eval.model import Effect
from aiplatform.eval.statistics.exact import Floats, Moments

COHENS_D_Z: Final = "cohens_d_z"
COHENS_H: Final = "cohens_h"
ODDS_RATIO: Final = "odds_ratio"
CLIFFS_DELTA: Final = "cliffs_delta"


def cohens_h(baseline: float, candidate: float) -> float:
    """Difference of two proportions on the scale where its spread does not depend on them.

    Source:
        Cohen 1988, section 6.2; equal to `proportion_effectsize` of statsmodels.
    """
    return 2 * math.asin(math.sqrt(candidate)) - 2 * math.asin(math.sqrt(baseline))


def matched_odds_ratio(gains: int, losses: int) -> float | None:
    """Odds that a pair which differs was won; None where no pair was lost, so that the odds have no bound.

    Source:
        The conditional estimate of McNemar's table, Agresti 2013, section 11.2.
    """
    return gains / losses if losses else None


def cohens_d_z(differences: Floats) -> float | None:
    """Mean difference in its own standard deviations; None of fewer than two pairs, or where all differ alike.

    Source:
        Cohen 1988, section 2.3.5; Lakens 2013, Frontiers in Psychology 4:863.
    """
    moments = Moments()
    moments.add(differences)
    mean, variance = moments.mean, moments.variance
    return mean / math.sqrt(variance) if mean is not None and variance else None


def cliffs_delta(baseline: Floats, candidate: Floats) -> float | None:
    """Chance that a row of the candidate lies above one of the baseline, less the chance that it lies below.

    Source:
        Cliff 1993, Psychological Bulletin 114:494. Counted over all pairs of rows, in whole numbers.
    """
    if not len(baseline) or not len(candidate):
        return None
    ordered = np.sort(baseline)
    below = int(np.searchsorted(ordered, candidate, side="left").sum())
    not_above = int(np.searchsorted(ordered, candidate, side="right").sum())
    above = len(baseline) * len(candidate) - not_above
    return (below - above) / (len(baseline) * len(candidate))


def effects_of_proportions(baseline: Floats, candidate: Floats) -> tuple[Effect, ...]:
    """Cohen's h and the matched odds ratio of paired outcomes of 0 and 1."""
    if not len(baseline):
        return ()
    odds = matched_odds_ratio(int(np.sum(candidate > baseline)), int(np.sum(candidate < baseline)))
    found = (Effect(name=COHENS_H, value=cohens_h(float(baseline.mean()), float(candidate.mean()))),)
    return found if odds is None else (*found, Effect(name=ODDS_RATIO, value=odds))


def effects_of_means(baseline: Floats, candidate: Floats) -> tuple[Effect, ...]:
    """Cohen's d_z and Cliff's delta of paired numbers."""
    named = (
        (COHENS_D_Z, cohens_d_z(candidate - baseline)),
        (CLIFFS_DELTA, cliffs_delta(baseline, candidate)),
    )
    return tuple(Effect(name=name, value=value) for name, value in named if value is not None)
