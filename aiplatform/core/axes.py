"""Axes of charts: a domain, round ticks, and where values stand on it in percent. Pages and reports draw on these."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

AIR: Final = 0.1
NICE_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
SMALLEST_REACH: Final = 1e-9
"""What is closer together than this is drawn as one point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of an axis."""

    at: float
    """Percent of the width."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One domain shared by all rows of a chart; zero always lies in it."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def at(self, value: float) -> float:
        """Position of a value in percent, held inside the domain."""
        return round(min(100.0, max(0.0, (value - self.low) / (self.high - self.low) * 100)), 3)

    @property
    def zero(self) -> float:
        """Position of zero in percent."""
        return self.at(0.0)

    def holds(self, value: float) -> bool:
        """Whether a value lies inside, so that its end is drawn with a stop."""
        return self.low <= value <= self.high


def axis_for(values: Iterable[float | None], *, around_zero: bool = True, aim: int = 6) -> Axis:
    """A domain that holds all finite values with a tenth of air on both sides, and round ticks.

    Args:
        values: Estimates and interval ends; None and infinities are left out.
        around_zero: Whether zero belongs to the domain, as it does for differences.
        aim: About how many ticks.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if around_zero or not known:
        known.append(0.0)
    low, high = min(known), max(known)
    reach = high - low
    if reach < SMALLEST_REACH:
        reach = max(abs(high), 1.0)
    low, high = low - reach * AIR, high + reach * AIR
    step = nice_step((high - low) / aim)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    marks = [round(index * step, 12) for index in range(first, last + 1)]
    return Axis(
        low=low,
        high=high,
        ticks=tuple(Tick(at=round((mark - low) / (high - low) * 100, 3), value=mark) for mark in marks),
    )


def nice_step(raw: float) -> float:
    """The round step that is just not smaller."""
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(step * magnitude for step in NICE_STEPS if step * magnitude >= raw * (1 - 1e-9))
