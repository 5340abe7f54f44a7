"""The states of all metrics of a run, whole and by slice, and the numbers that they finish into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aiplatform.eval.measures.columns import MISSING, Block
from aiplatform.eval.measures.measure import Collector, Measure, Request, State
from aiplatform.eval.model import MetricValue, SliceMetrics

Slice = tuple[str, str]


@dataclass(slots=True)
class Measured:
    """One state a collector, of all rows and of each slice."""

    num_rows: int = 0
    states: dict[Collector, State] = field(default_factory=dict)
    slices: dict[Slice, Measured] = field(default_factory=dict)

    def add(self, block: Block, measures: Sequence[Measure], sliced_by: Sequence[str] = ()) -> None:
        """Take in a block.

        Args:
            block: Rows.
            measures: Metrics; those of equal collectors share a state.
            sliced_by: Columns whose values make slices.
        """
        self._add(block, measures)
        for column in sliced_by:
            codes, names = block.column(column).names
            for code in np.unique(codes[codes != MISSING]).tolist():
                part = self.slices.setdefault((column, names[code]), Measured())
                part._add(block.where(codes == code), measures)

    def merge(self, other: Measured) -> None:
        """Take in what another one holds; the order changes nothing."""
        self.num_rows += other.num_rows
        for collector, state in other.states.items():
            self._take(collector, state)
        for part, measured in other.slices.items():
            self.slices.setdefault(part, Measured()).merge(measured)

    def metrics(self, measures: Sequence[Measure], request: Request) -> Iterator[MetricValue]:
        """The numbers, in the order of the metrics."""
        for measure in measures:
            if measure.collector in self.states:
                yield from measure.metrics(self.states[measure.collector], request)

    def slice_metrics(self, measures: Sequence[Measure], request: Request) -> Mapping[Slice, SliceMetrics]:
        """The numbers of every slice, by column and value."""
        return {
            part: SliceMetrics(
                column=part[0],
                value=part[1],
                num_rows=measured.num_rows,
                metrics=tuple(measured.metrics(measures, request)),
            )
            for part, measured in sorted(self.slices.items())
        }

    def _add(self, block: Block, measures: Sequence[Measure]) -> None:
        self.num_rows += block.num_rows
        for collector in dict.fromkeys(measure.collector for measure in measures):
            self._take(collector, collector.collect(block))

    def _take(self, collector: Collector, state: State) -> None:
        known = self.states.get(collector)
        if known is None:
            self.states[collector] = state
        else:
            known.merge(state)
