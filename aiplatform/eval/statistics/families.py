"""Several tests at once: corrections over a family of p values, and one test over all versions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from aiplatform.eval.model import Correction, Omnibus


def adjusted(p_values: Sequence[float | None], correction: Correction) -> list[float | None]:
    """Corrected p values in the given order; what has no p takes no part."""
    return holm(p_values) if correction is Correction.HOLM else benjamini_hochberg(p_values)


def levels(p_values: Sequence[float | None], alpha: float, correction: Correction) -> list[float]:
    """The level that each p was tested at, for sample sizes."""
    known = _ranked(p_values)
    found = [alpha] * len(p_values)
    for rank, (_, place) in enumerate(known):
        share = 1 / (len(known) - rank) if correction is Correction.HOLM else (rank + 1) / len(known)
        found[place] = alpha * share
    return found


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction, in the given order; what has no p takes no part.

    Source:
        Holm 1979; equal to `multipletests(method="holm")` of statsmodels.
    """
    known = _ranked(p_values)
    found: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        found[place] = largest
    return found


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini and Hochberg's step-up correction, in the given order; what has no p takes no part.

    Source:
        Benjamini and Hochberg 1995; equal to `multipletests(method="fdr_bh")` of statsmodels.
    """
    known = _ranked(p_values)
    found: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for rank in range(len(known), 0, -1):
        p, place = known[rank - 1]
        smallest = min(smallest, p * len(known) / rank)
        found[place] = smallest
    return found


def cochran_q(outcomes: npt.NDArray[np.float64]) -> Omnibus | None:
    """Whether the share of ones differs between versions on the same rows.

    Args:
        outcomes: Zeros and ones, shape (rows, versions).

    Returns:
        None where no row tells the versions apart.

    Source:
        Cochran 1950, Biometrika 37:256; equal to `cochrans_q` of statsmodels.
    """
    num_rows, num_versions = outcomes.shape
    of_rows = [int(each) for each in outcomes.sum(axis=1)]
    of_versions = [int(each) for each in outcomes.sum(axis=0)]
    total = sum(of_rows)
    spread = sum(each * (num_versions - each) for each in of_rows)
    if num_versions < 2 or not spread:
        return None
    between = num_versions * sum(each * each for each in of_versions) - total * total
    statistic = (num_versions - 1) * between / spread
    freedom = num_versions - 1
    return Omnibus(
        test="cochran_q",
        statistic=statistic,
        freedom=freedom,
        p=float(special.chdtrc(freedom, statistic)),
        n=num_rows,
    )


def _ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    return sorted((p, place) for place, p in enumerate(p_values) if p is not None)
