"""A calibration as its page draws it: the matrix of verdicts, and kappa from one calibration to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.eval.judging.model import Calibration, Estimate

LOWEST: Final = -0.2
HIGHEST: Final = 1.0
TICKS: Final = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Items that people and judge said something of."""

    count: int
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """What the judge says of items that people say one thing of."""

    value: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of the axis, in percent of its width."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Kappa from -0.2 to 1."""

    ticks: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One calibration on the axis."""

    calibration: Calibration
    is_this: bool
    tone: str
    at: float | None
    low_at: float | None
    high_at: float | None
    low_inside: bool
    high_inside: bool
    is_hollow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Calibrations of one judge, the newest first."""

    axis: Axis
    points: tuple[Point, ...]


def matrix(calibration: Calibration) -> tuple[MatrixRow, ...]:
    """People's values as rows, the judge's as columns."""
    return tuple(
        MatrixRow(
            value=value,
            cells=tuple(Cell(count=count, agrees=row == column) for column, count in enumerate(counts)),
        )
        for row, (value, counts) in enumerate(zip(calibration.values, calibration.confusion, strict=True))
    )


def history(calibrations: Sequence[Calibration], this: Calibration) -> History:
    """Agreement over time."""
    axis = Axis(ticks=tuple(Tick(at=place(tick)) for tick in TICKS), zero=place(0.0))
    return History(axis=axis, points=tuple(_point(each, this) for each in calibrations))


def place(value: float) -> float:
    """Where a kappa stands, in percent of the axis; what leaves it stands at its edge."""
    share = (min(HIGHEST, max(LOWEST, value)) - LOWEST) / (HIGHEST - LOWEST)
    return round(100 * share, 2)


def _point(calibration: Calibration, this: Calibration) -> Point:
    kappa: Estimate = calibration.kappa
    is_established = kappa.low is not None and kappa.low > 0
    return Point(
        calibration=calibration,
        is_this=calibration.calibration_id == this.calibration_id,
        tone="better" if is_established else "unsure",
        at=None if kappa.value is None else place(kappa.value),
        low_at=None if kappa.low is None else place(kappa.low),
        high_at=None if kappa.high is None else place(kappa.high),
        low_inside=kappa.low is not None and kappa.low > LOWEST,
        high_inside=True,
        is_hollow=not is_established,
    )
