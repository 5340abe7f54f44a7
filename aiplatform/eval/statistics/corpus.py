"""Metrics of a whole corpus, such as BLEU or F1: rows add to sums, and a function of the sums is the metric.

Two versions are compared by drawing both with the same weights, so that the difference of two corpus metrics has an
interval and a p although no row has a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aiplatform.eval.statistics.bootstrap import percentile_interval, replicate_sums, two_sided_p
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import Keys
from aiplatform.eval.statistics.paired import FEWEST_PAIRS, Contrast


@dataclass(frozen=True, slots=True, kw_only=True)
class RowParts:
    """What each row of a run adds to a corpus metric: the port by which such metrics are compared."""

    sums: Floats
    """Shape (rows, columns), in the order of the run's rows; NaN in the first column where a row adds nothing."""

    of: Callable[[Floats], Floats]
    """The metric of sums, shape (any number, columns) -> (that number,); NaN where it is not defined."""

    def row_values(self) -> Floats:
        """The metric of each row alone, which orders regressions; NaN where a row adds nothing, 0 where undefined."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self.of(self.sums)
        return np.where(np.isnan(self.sums[:, 0]), np.nan, np.nan_to_num(values, nan=0.0))


def compare_corpus(
    baseline: Floats, candidate: Floats, of: Callable[[Floats], Floats], keys: Keys, *, level: float, num_draws: int
) -> Contrast:
    """The paired bootstrap of the difference of two corpus metrics over the same rows.

    Args:
        baseline: What each row adds under the baseline, shape (rows, columns).
        candidate: The same rows under the candidate.
        of: The metric of sums.
        keys: Of the rows, or of their clusters, as `row_keys` gives them.
    """
    n = len(baseline)
    if n == 0:
        return Contrast(n=0, difference=None, interval=None, method="", p=None, test="bootstrap", error=None)
    width = baseline.shape[1]
    sums = replicate_sums(keys, np.hstack([baseline, candidate]), num_draws)
    whole = _metric(of, candidate.sum(axis=0)[None, :]) - _metric(of, baseline.sum(axis=0)[None, :])
    replicates = _metric(of, sums[:, width:]) - _metric(of, sums[:, :width])
    replicates = replicates[np.isfinite(replicates)]
    difference = float(whole[0]) if np.isfinite(whole[0]) else None
    return Contrast(
        n=n,
        difference=difference,
        interval=percentile_interval(replicates, level),
        method="bootstrap",
        p=two_sided_p(replicates) if n > 1 and len(replicates) else None,
        test="bootstrap",
        error=float(replicates.std()) if len(replicates) > 1 else None,
        too_few=n < FEWEST_PAIRS,
    )


def _metric(of: Callable[[Floats], Floats], sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return of(sums)
