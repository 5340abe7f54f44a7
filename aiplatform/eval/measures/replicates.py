"""Draws of a merged state: Poisson weights that follow from the seed and the row or cluster, never from the split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from aiplatform.eval.measures.measure import Request
from aiplatform.eval.measures.states import Counts, Tally
from aiplatform.eval.statistics.bootstrap import percentile_interval, poisson_weights
from aiplatform.eval.statistics.exact import Floats

MAX_CELLS: Final = 4_000_000
"""Numbers that draws may make; larger states get fewer draws, or none."""

MIN_DRAWS: Final = 200
_SALT: Final = 0x5EED


def interval(
    statistic: Callable[[Floats], Floats], drawn: Floats | None, request: Request
) -> tuple[float, float] | None:
    """The interval of a statistic over draws; None where there are none, or where it is undefined in many.

    Args:
        statistic: From counts (draws, ...) to one number a draw.
        drawn: Counts a draw.
        request: Of which level.
    """
    if drawn is None or not len(drawn):
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        found = statistic(drawn)
    kept = found[np.isfinite(found)]
    return percentile_interval(kept, request.level) if len(kept) >= len(found) / 2 else None


def of_cells(counts: Counts, request: Request) -> Floats | None:
    """Draws of a count map whose rows are alike within a cell: shape (draws, cells).

    The sum of Poisson(1) weights of n rows is Poisson(n), so drawing cells is drawing rows.
    """
    draws = _num_draws(len(counts), request)
    if draws is None:
        return None
    generator = np.random.Generator(np.random.Philox(key=[request.seed % (1 << 63), _SALT]))
    return generator.poisson(counts, size=(draws, len(counts))).astype(np.float64)


def of_buckets(tally: Tally, request: Request) -> Floats | None:
    """Draws of vectors that were added up by bucket: shape (draws, counts)."""
    tally.settle()
    draws = _num_draws(len(tally.keys), request)
    if draws is None or len(tally.keys) < 2:
        return None
    buckets = tally.keys[:, 0].astype(np.uint64)
    weights = poisson_weights(buckets, np.arange(draws, dtype=np.uint64))
    return np.asarray(weights @ tally.counts.astype(np.float64), dtype=np.float64)


def _num_draws(cells: int, request: Request) -> int | None:
    draws = min(request.draws, MAX_CELLS // max(cells, 1))
    return draws if draws >= min(MIN_DRAWS, request.draws) and draws > 0 else None
