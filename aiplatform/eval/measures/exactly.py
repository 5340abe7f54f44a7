"""Sums of numbers without rounding, several at a time: the state of everything that averages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import SCORED, Block
from aiplatform.eval.measures.measure import Estimate, Request, undefined
from aiplatform.eval.measures.states import Fate
from aiplatform.eval.model import MetricKind
from aiplatform.eval.statistics.exact import Floats, Moments
from aiplatform.eval.statistics.intervals import clustered_t_interval, t_interval, wilson


@dataclass(slots=True)
class Means:
    """The moments of one number a row, by cluster where there are any."""

    fate: Fate = field(default_factory=Fate)
    moments: Moments = field(default_factory=Moments)
    clusters: dict[str, Moments] = field(default_factory=dict)

    @staticmethod
    def of(values: Floats, states: np.ndarray[tuple[int], np.dtype[np.int8]], block: Block) -> Means:
        """Of the rows of a block that were scored."""
        found = Means(fate=Fate.of(states))
        usable = states == SCORED
        found.moments.add(values[usable])
        if block.clusters is not None:
            codes, names = block.clusters
            for code in np.unique(codes[usable]):
                found.clusters.setdefault(names[code], Moments()).add(values[usable & (codes == code)])
        return found

    def merge(self, other: Means) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.moments.merge(other.moments)
        for name, moments in other.clusters.items():
            self.clusters.setdefault(name, Moments()).merge(moments)


def mean(scale: float = 1.0, *, is_proportion: bool = False) -> Callable[[Means, Request], Iterator[Estimate]]:
    """The mean with its interval: Wilson's of a share, Student's else, clustered where rows belong together."""

    def finish(state: Means, request: Request) -> Iterator[Estimate]:
        moments = state.moments
        if moments.mean is None:
            yield undefined(N_("no row was scored"))
            return
        if state.clusters:
            found, method = clustered_t_interval(state.clusters, request.level), "clustered_t"
        elif is_proportion and moments.is_binary:
            found, method = wilson(moments.ones, moments.n, request.level), "wilson"
        else:
            found, method = t_interval(moments, request.level), "t"
        scaled = (found[0] * scale, found[1] * scale) if found else None
        details: Mapping[str, int] = {"clusters": len(state.clusters)} if state.clusters else {}
        yield Estimate(value=moments.mean * scale, interval=scaled, method=method, details=details)

    return finish


def kind_of_mean(*, is_proportion: bool) -> MetricKind:
    """How a mean is compared and shown."""
    return MetricKind.PROPORTION if is_proportion else MetricKind.MEAN
