"""A judge's rate, corrected for the errors that people found in it.

true rate = (judged rate + specificity - 1) / (sensitivity + specificity - 1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiplatform.eval.judging.model import Estimate
from aiplatform.eval.statistics.intervals import normal_quantile, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How often a judge is right, on items that people have judged too."""

    passed_right: int
    """Items that people pass, and the judge too."""

    passed: int
    """Items that people pass."""

    failed_right: int
    """Items that people fail, and the judge too."""

    failed: int
    """Items that people fail."""

    @property
    def sensitivity(self) -> Estimate:
        """Share of right answers that the judge passes."""
        return share(self.passed_right, self.passed)

    @property
    def specificity(self) -> Estimate:
        """Share of wrong answers that the judge fails."""
        return share(self.failed_right, self.failed)

    @property
    def false_passes(self) -> Estimate:
        """Share of wrong answers that the judge passes."""
        return share(self.failed - self.failed_right, self.failed)

    @property
    def false_fails(self) -> Estimate:
        """Share of right answers that the judge fails."""
        return share(self.passed - self.passed_right, self.passed)


def share(part: int, of: int, level: float = 0.95) -> Estimate:
    """A share with Wilson's interval."""
    found = wilson(part, of, level)
    if found is None:
        return Estimate(value=None, n=0, level=level)
    return Estimate(value=part / of, low=found[0], high=found[1], n=of, method="wilson", level=level)


def corrected_rate(judged: int, of: int, errors: Errors, level: float = 0.95) -> Estimate:
    """The rate that people would give, with an interval that holds the judge's errors as uncertain as they are.

    Args:
        judged: Items that the judge passed.
        of: Items it judged, other than those that its errors were found on.
        errors: How often it is right.
        level: Of the interval.

    Returns:
        No value where the judge is no better than chance on the items that people judged, or they judged none.

    Source:
        Rogan and Gladen 1978 for the rate; Lang and Reiczigel 2014, Preventive Veterinary Medicine 113:13, for the
        interval.
    """
    if not of or not errors.passed or not errors.failed:
        return Estimate(value=None, n=of, level=level)
    z = normal_quantile(level)
    sensitivity, specificity = errors.passed_right / errors.passed, errors.failed_right / errors.failed
    better_than_chance = sensitivity + specificity - 1
    shrunk_sensitivity = (errors.passed_right + 1) / (errors.passed + 2)
    shrunk_specificity = (errors.failed_right + 1) / (errors.failed + 2)
    shrunk = shrunk_sensitivity + shrunk_specificity - 1
    if better_than_chance <= 0 or shrunk <= 0:
        return Estimate(value=None, n=of, level=level)
    judged_rate = (judged + z * z / 2) / (of + z * z)
    centre = (judged_rate + shrunk_specificity - 1) / shrunk
    of_sensitivity = shrunk_sensitivity * (1 - shrunk_sensitivity) / (errors.passed + 2)
    of_specificity = shrunk_specificity * (1 - shrunk_specificity) / (errors.failed + 2)
    moved = 2 * z * z * (centre * of_sensitivity - (1 - centre) * of_specificity)
    spread = judged_rate * (1 - judged_rate) / (of + z * z)
    spread += centre * centre * of_sensitivity + (1 - centre) ** 2 * of_specificity
    reach = z * math.sqrt(spread) / shrunk
    value = (judged / of + specificity - 1) / better_than_chance
    return Estimate(
        value=_clipped(value),
        low=_clipped(centre + moved - reach),
        high=_clipped(centre + moved + reach),
        n=of,
        method="lang_reiczigel",
        level=level,
    )


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
