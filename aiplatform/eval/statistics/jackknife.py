"""Differences of metrics that no row has a value of: the delete-a-group jackknife.

Rows are put into groups by their keys, equal keys into one, so that rows of a cluster stay together and the split does
not depend on blocks or order. The metric is computed without each group in turn; how much it moves gives its error
(Efron and Tibshirani, An Introduction to the Bootstrap, chapter 11; Kott, The Delete-a-Group Jackknife, 2001).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from aiplatform.eval.statistics.hashing import Keys
from aiplatform.eval.statistics.paired import FEWEST_PAIRS, Contrast

NUM_GROUPS: Final = 50
FEWEST_GROUPS: Final = 5


def groups_of(keys: Keys, num_groups: int = NUM_GROUPS) -> npt.NDArray[np.int64]:
    """The group of each row: from 0 on, nearly equal in distinct keys, and at most as many as there are keys."""
    distinct, places = np.unique(keys, return_inverse=True)
    return (places % min(num_groups, max(len(distinct), 1))).astype(np.int64)


def compare_without_groups(
    whole: float | None, without: Sequence[float | None], num_rows: int, *, level: float
) -> Contrast:
    """The difference with Student's interval and p on the jackknife's error, groups less one degrees of freedom.

    Args:
        whole: The difference over all rows; None where it is not defined.
        without: The difference without each group in turn.
        num_rows: Pairs that it rests on.
        level: Of the interval.
    """
    known = [value for value in without if value is not None]
    error: float | None = None
    if whole is not None and len(known) == len(without) and len(known) > 1:
        moved = np.array(known, dtype=np.float64)
        error = math.sqrt((len(moved) - 1) / len(moved) * float(((moved - moved.mean()) ** 2).sum()))
    interval, p = None, None
    if whole is not None and error is not None:
        freedom = len(known) - 1
        half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
        interval = (whole - half, whole + half)
        p = _p(whole, error, freedom)
    return Contrast(
        n=num_rows,
        difference=whole,
        interval=interval,
        method="jackknife" if interval else "",
        p=p,
        test="jackknife",
        error=error,
        too_few=num_rows < FEWEST_PAIRS or len(without) < FEWEST_GROUPS,
    )


def _p(difference: float, error: float, freedom: int) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stats.t.sf(abs(difference) / error, freedom))
