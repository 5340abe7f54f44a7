"""Metrics of numbers: exact sums of errors, squares and products; count maps of errors where order matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import Block
from aiplatform.eval.measures.exactly import Means
from aiplatform.eval.measures.measure import (
    EXPECTED,
    OUTPUT,
    Estimate,
    PairReader,
    Request,
    RowValues,
    Vectorised,
    fates,
    undefined,
)
from aiplatform.eval.measures.states import Counts, Fate, Tally
from aiplatform.eval.statistics.exact import Floats, Moments
from aiplatform.eval.statistics.intervals import (
    clustered_t_interval,
    normal_quantile,
    quantile_interval,
    t_interval,
)

_UNIT_BITS: Final = 1074
_UNIT: Final = 1 << _UNIT_BITS
_EPSILON: Final = float(np.finfo(np.float64).eps)
MAX_RANKED: Final = 5_000_000
"""Distinct values, or pairs of them, that are ranked on the driver."""


@dataclass(frozen=True, slots=True)
class ErrorsCollector(PairReader, Vectorised):
    """The errors of numbers as one number a row: absolute, squared or relative."""

    of: str
    expected: str = EXPECTED
    output: str = OUTPUT

    def row_values(self, block: Block) -> RowValues:
        """One number a row, and each row's fate."""
        truths, guesses, states = numbers(block, self.expected, self.output)
        with np.errstate(invalid="ignore", over="ignore"):
            errors = np.abs(truths - guesses)
            if self.of == "squared":
                errors = (truths - guesses) ** 2
            elif self.of == "relative":
                errors = errors / np.maximum(np.abs(truths), _EPSILON)
        return errors, states

    def collect(self, block: Block) -> Means:
        """The moments of one block."""
        return Means.of(*self.row_values(block), block)


@dataclass(frozen=True, slots=True)
class AbsoluteErrorsCollector(PairReader, Vectorised):
    """How often each absolute error occurred."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> Distribution:
        """The errors of one block."""
        truths, guesses, states = numbers(block, self.expected, self.output)
        usable = states == 0
        return Distribution(Fate.of(states), Tally.of(np.abs(truths - guesses)[usable]))


@dataclass(frozen=True, slots=True)
class ValuesCollector:
    """How often each value of a column occurred."""

    column: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.column,)

    def collect(self, block: Block) -> Distribution:
        """The values of one block; a row without one is not applicable."""
        column = block.column(self.column)
        states = fates(column.is_missing, np.isnan(column.floats))
        return Distribution(Fate.of(states), Tally.of(column.floats[states == 0]))


@dataclass(slots=True)
class Distribution:
    """How often each number occurred."""

    fate: Fate
    tally: Tally

    def merge(self, other: Distribution) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.tally.merge(other.tally)

    @property
    def ordered(self) -> Floats:
        """The numbers, sorted."""
        tally = self.tally.settle()
        return np.repeat(tally.keys[:, 0], tally.counts[:, 0])


@dataclass(frozen=True, slots=True)
class ProductsCollector(PairReader, Vectorised):
    """Sums of truths, guesses, errors, and their squares and products."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> Products:
        """The sums of one block."""
        truths, guesses, states = numbers(block, self.expected, self.output)
        usable = states == 0
        found = Products(fate=Fate.of(states))
        found.add(truths[usable], guesses[usable])
        return found


@dataclass(slots=True)
class Products:
    """Second moments of truths, guesses, errors and sums, without rounding but for one of each error and sum."""

    fate: Fate = field(default_factory=Fate)
    truths: Moments = field(default_factory=Moments)
    guesses: Moments = field(default_factory=Moments)
    errors: Moments = field(default_factory=Moments)
    product_units: int = 0
    """Sum of truth x guess, in units of 2^-2148."""

    def add(self, truths: Floats, guesses: Floats) -> None:
        """Take in rows."""
        self.truths.add(truths)
        self.guesses.add(guesses)
        self.errors.add(truths - guesses)
        self.product_units += _dot_units(truths, guesses)

    def merge(self, other: Products) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.truths.merge(other.truths)
        self.guesses.merge(other.guesses)
        self.errors.merge(other.errors)
        self.product_units += other.product_units


@dataclass(frozen=True, slots=True)
class PairsCollector(PairReader, Vectorised):
    """How often each pair of truth and guess occurred, for ranks."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> Distribution:
        """The pairs of one block."""
        truths, guesses, states = numbers(block, self.expected, self.output)
        usable = states == 0
        return Distribution(Fate.of(states), Tally.of(np.column_stack((truths[usable], guesses[usable]))))


def numbers(block: Block, expected: str, output: str) -> tuple[Floats, Floats, npt.NDArray[np.int8]]:
    """Truths, guesses, and the fate of each row: what is no finite number failed, or is not applicable."""
    truths, guesses = block.column(expected), block.column(output)
    return truths.floats, guesses.floats, fates(np.isnan(truths.floats), np.isnan(guesses.floats))


def root_of_mean(state: Means, request: Request) -> Iterator[Estimate]:
    """The root of the mean of squares; its interval is the root of theirs."""
    if state.moments.mean is None:
        yield undefined(N_("no row was scored"))
        return
    found = (
        clustered_t_interval(state.clusters, request.level)
        if state.clusters
        else t_interval(state.moments, request.level)
    )
    rooted = (math.sqrt(max(found[0], 0.0)), math.sqrt(max(found[1], 0.0))) if found else None
    method = "clustered_t" if state.clusters else "t"
    yield Estimate(value=math.sqrt(state.moments.mean), interval=rooted, method=method)


def median(state: Distribution, request: Request) -> Iterator[Estimate]:
    """The median, with the interval of its order statistics."""
    yield from at_share(0.5)(state, request)


def at_share(share: float) -> Callable[[Distribution, Request], Iterator[Estimate]]:
    """A quantile, interpolated as numpy does, with the interval of its order statistics."""

    def finish(state: Distribution, request: Request) -> Iterator[Estimate]:
        ordered = state.ordered
        if not len(ordered):
            yield undefined(N_("no row was scored"))
            return
        # The reference takes the mean of the middle two, which interpolation may round otherwise.
        value = float(np.median(ordered)) if share == 0.5 else float(np.quantile(ordered, share))
        found = quantile_interval(ordered, share, request.level)
        yield Estimate(value=value, interval=found, method="order_statistics")

    return finish


def largest(state: Distribution, request: Request) -> Iterator[Estimate]:
    """The largest; a sample says nothing of what the largest could be, so there is no interval."""
    ordered = state.tally.settle().keys
    yield Estimate(value=float(ordered[-1, 0])) if len(ordered) else undefined(N_("no row was scored"))


def summed(state: Means, request: Request) -> Iterator[Estimate]:
    """The sum of all rows."""
    yield Estimate(value=state.moments.total) if state.moments.n else undefined(N_("no row was scored"))


def explained(state: Products, *, of_errors_variance: bool) -> float | None:
    """R squared, or the explained variance; as the reference has it where truths do not vary."""
    n = state.truths.n
    squares, total = Fraction(state.truths.square_units, _UNIT**2), Fraction(state.truths.units, _UNIT)
    spread = squares - total * total / n
    missed = Fraction(state.errors.square_units, _UNIT**2)
    if of_errors_variance:
        drift = Fraction(state.errors.units, _UNIT)
        missed -= drift * drift / n
    if spread == 0:
        return 1.0 if missed == 0 else 0.0
    return float(1 - missed / spread)


def r_squared(state: Products, request: Request) -> Iterator[Estimate]:
    """1 - squared errors over squared deviations; None of fewer than two rows, as the reference has it."""
    if state.truths.n < 2:
        yield undefined(N_("fewer than two rows were scored"))
        return
    yield Estimate(value=explained(state, of_errors_variance=False))


def explained_variance(state: Products, request: Request) -> Iterator[Estimate]:
    """1 - variance of errors over variance of truths."""
    yield (
        Estimate(value=explained(state, of_errors_variance=True))
        if state.truths.n
        else undefined(N_("no row was scored"))
    )


def pearson(state: Products, request: Request) -> Iterator[Estimate]:
    """The correlation, with Fisher's interval."""
    n = state.truths.n
    if n < 2:
        yield undefined(N_("fewer than two rows were scored"))
        return
    truth, guess = _spread(state.truths), _spread(state.guesses)
    if truth == 0 or guess == 0:
        yield undefined(N_("one side does not vary"))
        return
    cross = n * state.product_units - state.truths.units * state.guesses.units
    squared = float(Fraction(cross * cross, truth * guess))
    value = min(math.sqrt(squared), 1.0) * (1 if cross >= 0 else -1)
    yield Estimate(value=value, interval=_fisher(value, n, request.level), method="fisher")


def spearman(state: Distribution, request: Request) -> Iterator[Estimate]:
    """The correlation of ranks, ties in the middle of theirs."""
    keys, counts = _pairs(state)
    if counts.sum() < 2:
        yield undefined(N_("fewer than two rows were scored"))
        return
    ranks = [_midranks(keys[:, side], counts) for side in (0, 1)]
    value = _weighted_correlation(ranks[0], ranks[1], counts)
    if value is None:
        yield undefined(N_("one side does not vary"))
        return
    yield Estimate(value=value, interval=_fisher(value, int(counts.sum()), request.level, scale=1.06), method="fisher")


def kendall(state: Distribution, request: Request) -> Iterator[Estimate]:
    """Kendall's tau-b, as scipy has it."""
    from scipy.stats import kendalltau  # noqa: PLC0415 - heavy

    keys, counts = _pairs(state)
    if counts.sum() < 2 or counts.sum() > MAX_RANKED:
        yield undefined(N_("fewer than two rows were scored, or too many to rank"))
        return
    value = float(kendalltau(np.repeat(keys[:, 0], counts), np.repeat(keys[:, 1], counts)).statistic)
    if not math.isfinite(value):
        yield undefined(N_("one side does not vary"))
        return
    yield Estimate(value=value, interval=_fisher(value, int(counts.sum()), request.level, scale=0.437), method="fisher")


def _pairs(state: Distribution) -> tuple[Floats, Counts]:
    tally = state.tally.settle()
    return tally.keys.reshape(-1, 2), tally.counts[:, 0]


def _midranks(values: Floats, counts: Counts) -> Floats:
    distinct, where = np.unique(values, return_inverse=True)
    totals = np.bincount(where, weights=counts, minlength=len(distinct))
    ends = np.cumsum(totals)
    return np.asarray((ends - (totals - 1) / 2)[where], dtype=np.float64)


def _weighted_correlation(left: Floats, right: Floats, counts: Counts) -> float | None:
    """Of ranks, which are halves: their doubles are whole numbers, and so are all sums."""
    doubled = [(2 * side).astype(np.int64).astype(object) for side in (left, right)]
    weights, n = counts.astype(object), int(counts.sum())
    sums = [int((side * weights).sum()) for side in doubled]
    spreads = [n * int((side * side * weights).sum()) - total**2 for side, total in zip(doubled, sums, strict=True)]
    if not all(spreads):
        return None
    cross = n * int((doubled[0] * doubled[1] * weights).sum()) - sums[0] * sums[1]
    size = min(math.sqrt(float(Fraction(cross * cross, spreads[0] * spreads[1]))), 1.0)
    return size if cross >= 0 else -size


def _fisher(value: float, n: int, level: float, scale: float = 1.0) -> tuple[float, float] | None:
    """Fisher's interval; `scale` is the variance of the transform times n - 3 (1.06 of Spearman's, 0.437 of Kendall's).

    Source:
        Fieller, Hartley and Pearson 1957, Biometrika 44:470.
    """
    if n <= 4 or abs(value) >= 1.0:
        return None
    reach = normal_quantile(level) * math.sqrt(scale / (n - (4 if scale < 1 else 3)))
    centre = math.atanh(value)
    return math.tanh(centre - reach), math.tanh(centre + reach)


def _spread(moments: Moments) -> int:
    return moments.n * moments.square_units - moments.units * moments.units


def _dot_units(left: Floats, right: Floats) -> int:
    """The sum of products without rounding, in units of 2^-2148."""
    (lefts, left_shifts), (rights, right_shifts) = _whole(left), _whole(right)
    shifts, total = left_shifts + right_shifts + 2 * _UNIT_BITS, 0
    for shift in np.unique(shifts):
        these = shifts == shift
        part = _dot(lefts[these], rights[these])
        total += part << int(shift) if shift >= 0 else part >> int(-shift)
    return total


def _whole(values: Floats) -> tuple[Counts, Counts]:
    fractions, exponents = np.frexp(values)
    return np.ldexp(fractions, 53).astype(np.int64), exponents.astype(np.int64) - 53


def _dot(left: Counts, right: Counts) -> int:
    # Limbs of 18 bits: their products have 36, so 64-bit sums hold 2^27 of them.
    bits, mask = 18, (1 << 18) - 1
    parts = [(side & mask, (side >> bits) & mask, side >> 2 * bits) for side in (left, right)]
    return sum(int(np.dot(a, b)) << bits * (i + j) for i, a in enumerate(parts[0]) for j, b in enumerate(parts[1]))
