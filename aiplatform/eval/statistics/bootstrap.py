"""The Poisson bootstrap whose draws are keyed by (seed, row id): the same replicates for every split into blocks.

Draw number b gives every row a Poisson(1) weight that follows from the row's key and b alone. Above `MAX_ROWS` rows are
put into `NUM_BUCKETS` buckets by their key, and buckets are drawn instead: sums of independent rows keep the variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import Keys

MAX_ROWS: Final = 4096
NUM_BUCKETS: Final = 4096
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_CELLS_AT_ONCE: Final = 1 << 21


def _poisson_thresholds() -> Keys:
    thresholds: list[int] = []
    cumulative, term = 0.0, math.exp(-1.0)
    for count in range(20):
        cumulative += term
        thresholds.append(min(int(cumulative * 2.0**64), 2**64 - 1))
        term /= count + 1
    return np.array(thresholds, dtype=np.uint64)


_THRESHOLDS: Final = _poisson_thresholds()


def poisson_weights(keys: Keys, draws: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Poisson(1) weights, shape (draws, keys).

    Source:
        The counter of Steele, Lea and Flood 2014 (SplitMix64), inverted through the distribution's own steps.
    """
    with np.errstate(over="ignore"):
        mixed = keys[None, :] + (draws[:, None] + np.uint64(1)) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
    counts = np.searchsorted(_THRESHOLDS, mixed.ravel(), side="right")
    return np.asarray(counts.reshape(mixed.shape), dtype=np.float64)


def replicate_means(keys: Keys, values: Floats, num_draws: int) -> Floats:
    """Means of `num_draws` replicates, in the order of the draws; draws that took no row are left out."""
    order = _order(keys, values)
    keys, values, counts = _bucketed(keys[order], values[order])
    means: list[Floats] = []
    for weights in _weights(keys, num_draws):
        total = weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append((weights @ values) / total)
    replicates = np.concatenate(means) if means else np.empty(0)
    return replicates[np.isfinite(replicates)]


def replicate_sums(keys: Keys, parts: Floats, num_draws: int) -> Floats:
    """Sums of every column over the rows of each replicate, shape (draws, columns).

    Args:
        keys: Of the rows, or of their clusters.
        parts: What each row adds, shape (rows, columns). Whole numbers stay exact.
    """
    order = _order(keys, *parts.T)
    keys, parts = keys[order], parts[order]
    if len(keys) > MAX_ROWS:
        buckets = (keys % np.uint64(NUM_BUCKETS)).astype(np.int64)
        sums = np.zeros((NUM_BUCKETS, parts.shape[1]))
        np.add.at(sums, buckets, parts)
        keys, parts = _bucket_keys(), sums
    found = [weights @ parts for weights in _weights(keys, num_draws)]
    return np.concatenate(found) if found else np.empty((0, parts.shape[1]))


def replicate(
    keys: Keys, columns: tuple[Floats, ...], num_draws: int, statistic: Callable[..., Floats]
) -> tuple[Floats, int]:
    """Any statistic of weighted rows, drawn row by row.

    Args:
        statistic: Called with weights (draws, rows) and the columns; returns one number a draw.

    Returns:
        The replicates, and how many were drawn: fewer than asked where the rows are many.
    """
    order = _order(keys, *columns)
    ordered = [column[order] for column in columns]
    num_draws = min(num_draws, max(200, 40_000_000 // max(len(keys), 1)))
    found = [statistic(weights, *ordered) for weights in _weights(keys[order], num_draws)]
    replicates = np.concatenate(found) if found else np.empty(0)
    return replicates[np.isfinite(replicates)], num_draws


def percentile_interval(replicates: Floats, level: float) -> tuple[float, float] | None:
    """The middle `level` of the replicates; None where there are too few to tell."""
    if len(replicates) < 2:
        return None
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(replicates: Floats, null: float = 0.0) -> float:
    """Twice the smaller share of replicates on either side of `null`, counting one more: never 0."""
    below = int(np.count_nonzero(replicates <= null))
    above = int(np.count_nonzero(replicates >= null))
    return min(1.0, 2.0 * (1 + min(below, above)) / (len(replicates) + 1))


def _order(keys: Keys, *columns: Floats) -> npt.NDArray[np.int64]:
    # One order for every split into blocks: floating-point sums then agree to the last bit.
    return np.lexsort((*columns, keys)).astype(np.int64)


def _bucketed(keys: Keys, values: Floats) -> tuple[Keys, Floats, Floats]:
    if len(keys) <= MAX_ROWS:
        return keys, values, np.ones_like(values)
    buckets = (keys % np.uint64(NUM_BUCKETS)).astype(np.int64)
    sums = np.bincount(buckets, weights=values, minlength=NUM_BUCKETS).astype(np.float64)
    counts = np.bincount(buckets, minlength=NUM_BUCKETS).astype(np.float64)
    return _bucket_keys(), sums, counts


def _bucket_keys() -> Keys:
    return np.arange(NUM_BUCKETS, dtype=np.uint64) * _MIX_2


def _weights(keys: Keys, num_draws: int) -> Iterator[Floats]:
    if not len(keys):
        return
    step = max(1, _CELLS_AT_ONCE // len(keys))
    for start in range(0, num_draws, step):
        yield poisson_weights(keys, np.arange(start, min(start + step, num_draws), dtype=np.uint64))
