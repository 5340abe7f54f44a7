"""Sums without rounding: the same to the last bit, however rows are split into blocks and in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Every finite double is a whole number of 2^-1074 (the smallest subnormal), every square one of 2^-2148.
_UNIT_BITS: Final = 1074
_MANTISSA_BITS: Final = 53
_LIMB_BITS: Final = 18
_LIMB_MASK: Final = (1 << _LIMB_BITS) - 1


@dataclass(slots=True)
class Moments:
    """Count, sum and sum of squares of finite numbers, held as whole numbers and therefore mergeable without loss."""

    n: int = 0
    units: int = 0
    """The sum, in units of 2^-1074."""

    square_units: int = 0
    """The sum of squares, in units of 2^-2148."""

    ones: int = 0
    zeros: int = 0

    def add(self, values: Floats) -> None:
        """Take in finite numbers.

        Raises:
            ValueError: One of them is infinite or not a number.
        """
        values = np.asarray(values, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("only finite numbers can be summed")
        zeros, ones = int(np.count_nonzero(values == 0.0)), int(np.count_nonzero(values == 1.0))
        self.n += len(values)
        self.zeros += zeros
        self.ones += ones
        self.units += ones << _UNIT_BITS
        self.square_units += ones << 2 * _UNIT_BITS
        if zeros + ones < len(values):
            self._add_others(values[(values != 0.0) & (values != 1.0)])

    def merge(self, other: Moments) -> None:
        """Take in what another one holds."""
        self.n += other.n
        self.units += other.units
        self.square_units += other.square_units
        self.ones += other.ones
        self.zeros += other.zeros

    @property
    def is_binary(self) -> bool:
        """Whether every number was 0 or 1."""
        return self.ones + self.zeros == self.n

    @property
    def total(self) -> float:
        """The sum, rounded once."""
        return self.units / (1 << _UNIT_BITS)

    @property
    def mean(self) -> float | None:
        """The mean, rounded once; None of nothing."""
        return self.units / (self.n << _UNIT_BITS) if self.n else None

    @property
    def variance(self) -> float | None:
        """The sample variance (divisor n - 1), rounded once; None of fewer than two numbers."""
        if self.n < 2:
            return None
        numerator = self.n * self.square_units - self.units * self.units
        return numerator / ((self.n * (self.n - 1)) << 2 * _UNIT_BITS)

    def _add_others(self, values: Floats) -> None:
        fractions, exponents = np.frexp(values)
        mantissas = np.ldexp(fractions, _MANTISSA_BITS).astype(np.int64)
        for exponent in np.unique(exponents):
            these = mantissas[exponents == exponent]
            low, middle, high = these & _LIMB_MASK, (these >> _LIMB_BITS) & _LIMB_MASK, these >> 2 * _LIMB_BITS
            shift = int(exponent) - _MANTISSA_BITS + _UNIT_BITS
            total = _combined([int(low.sum()), int(middle.sum()), int(high.sum())])
            squares = _combined(
                [
                    _dot(low, low),
                    2 * _dot(low, middle),
                    2 * _dot(low, high) + _dot(middle, middle),
                    2 * _dot(middle, high),
                    _dot(high, high),
                ]
            )
            self.units += _shifted(total, shift)
            self.square_units += _shifted(squares, 2 * shift)


def _dot(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> int:
    # Products of 18-bit limbs have 36 bits, so 64-bit sums hold 2^27 of them.
    return int(np.dot(left, right))


def _combined(limbs: list[int]) -> int:
    return sum(limb << _LIMB_BITS * place for place, limb in enumerate(limbs))


def _shifted(value: int, bits: int) -> int:
    # A subnormal's mantissa ends in as many zeros as its exponent lies below the unit: nothing is lost to the right.
    return value << bits if bits >= 0 else value >> -bits
