"""How far judges and people agree beyond chance: Cohen's kappa and Krippendorff's alpha, with bootstrap intervals.

Items are drawn by the Poisson bootstrap keyed by seed and item id: intervals do not depend on the order of items.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging.model import Estimate, Level
from aiplatform.eval.statistics.bootstrap import percentile_interval, poisson_weights
from aiplatform.eval.statistics.hashing import row_keys

DRAWS: Final = 2000
MAX_VALUES: Final = 200
_CELLS_AT_ONCE: Final = 1 << 21

Floats = npt.NDArray[np.float64]


def cohen_kappa(
    pairs: Mapping[str, tuple[Hashable, Hashable]], *, seed: int = 0, level: float = 0.95, draws: int = DRAWS
) -> Estimate:
    """Cohen's kappa of two raters.

    Args:
        pairs: What both say, by item.
        seed: Of the bootstrap.
        level: Of the interval.
        draws: Of the bootstrap.

    Source:
        Cohen 1960; equal to `sklearn.metrics.cohen_kappa_score`.
    """
    if not pairs:
        return Estimate(value=None, level=level)
    values = _values(side for pair in pairs.values() for side in pair)
    places = {value: place for place, value in enumerate(values)}
    size = len(values)
    cells = np.array([places[one] * size + places[two] for one, two in pairs.values()], dtype=np.int64)
    one_hot = np.zeros((len(cells), size * size))
    one_hot[np.arange(len(cells)), cells] = 1.0
    value = _kappas(one_hot.sum(axis=0)[None, :], size)
    replicates = [_kappas(drawn, size) for drawn in _drawn(list(pairs), one_hot, seed, draws)]
    return _estimate(value, replicates, len(pairs), level)


def krippendorff_alpha(
    units: Mapping[str, Sequence[Any]],
    measured: Level = Level.NOMINAL,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Estimate:
    """Krippendorff's alpha of any number of raters, of whom each may have left items out.

    Args:
        units: What raters say, by item; items that one rater alone has seen say nothing.
        measured: How values can differ; anything but nominal needs numbers.
        seed: Of the bootstrap.
        level: Of the interval.
        draws: Of the bootstrap.

    Raises:
        InvalidError: There are more different values than the bootstrap can hold.

    Source:
        Krippendorff 2011, Computing Krippendorff's alpha-reliability.
    """
    paired = {item: said for item, said in units.items() if len(said) > 1}
    values = _values(value for said in paired.values() for value in said)
    if len(values) > MAX_VALUES:
        raise InvalidError(
            N_("Agreement over {found} different values cannot be drawn; at most {limit}."),
            hint=N_("Round them, or judge on a scale."),
            reason="judge.too_many_values",
            found=len(values),
            limit=MAX_VALUES,
        )
    if not paired:
        return Estimate(value=None, level=level)
    flat = _coincidences(_counts(paired, values))
    numbers = None if measured is Level.NOMINAL else np.array([float(value) for value in values])
    value = _alphas(flat.sum(axis=0)[None, :], len(values), measured, numbers)
    replicates = [_alphas(drawn, len(values), measured, numbers) for drawn in _drawn(list(paired), flat, seed, draws)]
    return _estimate(value, replicates, len(paired), level)


def _coincidences(counts: Floats) -> Floats:
    """Ordered pairs of values within each item, weighted so that an item counts once for each of its raters."""
    others = counts.sum(axis=1)[:, None, None] - 1
    pairs = counts[:, :, None] * counts[:, None, :]
    own = np.arange(counts.shape[1])
    pairs[:, own, own] -= counts
    flat: Floats = (pairs / others).reshape(len(counts), -1)
    return flat


def _kappas(cells: Floats, size: int) -> Floats:
    tables = cells.reshape(-1, size, size)
    total = tables.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(tables, axis1=1, axis2=2) / total
        expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
        kappas: Floats = (observed - expected) / (1 - expected)
    return kappas


def _alphas(cells: Floats, size: int, measured: Level, numbers: Floats | None) -> Floats:
    tables = cells.reshape(-1, size, size)
    margins = tables.sum(axis=2)
    total = margins.sum(axis=1)
    distances = _distances(margins, measured, numbers)
    observed = (tables * distances).sum(axis=(1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distances).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        alphas: Floats = 1 - (total - 1) * observed / expected
    return alphas


def _distances(margins: Floats, measured: Level, numbers: Floats | None) -> Floats:
    size = margins.shape[1]
    if measured is Level.ORDINAL:
        upto = np.cumsum(margins, axis=1)
        middle = upto - margins / 2
        ordinal: Floats = (middle[:, :, None] - middle[:, None, :]) ** 2
        return ordinal
    if numbers is None:
        return (1.0 - np.eye(size))[None, :, :]
    interval: Floats = ((numbers[:, None] - numbers[None, :]) ** 2)[None, :, :]
    return interval


def _counts(paired: Mapping[str, Sequence[Any]], values: Sequence[Any]) -> Floats:
    places = {value: place for place, value in enumerate(values)}
    counts = np.zeros((len(paired), len(values)))
    for row, said in enumerate(paired.values()):
        for value in said:
            counts[row, places[value]] += 1
    return counts


def _values(found: Any) -> list[Any]:
    values = list(dict.fromkeys(found))
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def _drawn(items: Sequence[str], cells: Floats, seed: int, draws: int) -> list[Floats]:
    """Sums of the cells under the weights of each draw."""
    if not len(items):
        return []
    # One order for every way that the items came in: floating-point sums then agree to the last bit.
    order = sorted(range(len(items)), key=items.__getitem__)
    keys, ordered = row_keys([items[place] for place in order], seed), cells[order]
    step = max(1, _CELLS_AT_ONCE // len(items))
    return [
        poisson_weights(keys, np.arange(start, min(start + step, draws), dtype=np.uint64)) @ ordered
        for start in range(0, draws, step)
    ]


def _estimate(value: Floats, replicates: Sequence[Floats], n: int, level: float) -> Estimate:
    known = float(value[0]) if len(value) and np.isfinite(value[0]) else None
    drawn = np.concatenate(replicates) if replicates else np.empty(0)
    interval = percentile_interval(drawn[np.isfinite(drawn)], level) if known is not None else None
    return Estimate(
        value=known,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        n=n,
        method="bootstrap" if interval else "",
        level=level,
    )
