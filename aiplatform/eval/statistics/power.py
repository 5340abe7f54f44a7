"""How many rows settle a difference, and how small a difference a number of rows can settle."""

from __future__ import annotations

import math
from typing import Final

from aiplatform.eval.statistics.intervals import normal_quantile
from aiplatform.eval.statistics.paired import Contrast

_SEARCH_STEPS: Final = 60


def needed_rows(contrast: Contrast, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Rows that would establish a difference of the observed size; None where none was observed.

    Proportions use the discordant share under both hypotheses (Connor 1987, Biometrics 43:207), everything else the
    observed error. Rounded up to two digits: it is an estimate from an estimate.
    """
    if not contrast.difference or contrast.error is None or contrast.n == 0:
        return None
    z_alpha, z_power = normal_quantile(1 - alpha), normal_quantile(2 * power - 1)
    if contrast.discordant is not None:
        spread = math.sqrt(max(contrast.discordant - contrast.difference**2, 0.0))
        rows = ((z_alpha * math.sqrt(contrast.discordant) + z_power * spread) / contrast.difference) ** 2
    elif contrast.error == 0.0:
        return None
    else:
        rows = contrast.n * ((z_alpha + z_power) * contrast.error / contrast.difference) ** 2
    if not math.isfinite(rows) or rows > 1e9:
        return None
    rows = max(rows, contrast.n + 1)
    unit: int = 10 ** max(0, math.floor(math.log10(rows)) - 1)
    return math.ceil(rows / unit) * unit


def detectable_difference(contrast: Contrast, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest difference that this many rows establish with that power; None where nothing can be said.

    The inverse of `needed_rows`: proportions with the discordant share that was observed, everything else with the
    observed error. A share of pairs that differ bounds the difference, so few of them may be too few for any.
    """
    if contrast.n == 0 or contrast.error is None:
        return None
    z_alpha, z_power = normal_quantile(1 - alpha), normal_quantile(2 * power - 1)
    if contrast.discordant is None:
        return (z_alpha + z_power) * contrast.error or None
    discordant = contrast.discordant

    def is_found(difference: float) -> bool:
        spread = math.sqrt(max(discordant - difference * difference, 0.0))
        return z_alpha * math.sqrt(discordant) + z_power * spread <= difference * math.sqrt(contrast.n)

    low, high = 0.0, discordant
    if not discordant or not is_found(high):
        return None
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high
