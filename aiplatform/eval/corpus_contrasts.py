"""Metrics of the whole corpus (F1, BLEU, R2) of two runs over the rows that both answered."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import InvalidError
from aiplatform.eval.measures.columns import Block, Column
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Measure, Request, State
from aiplatform.eval.measures.registry import resolve
from aiplatform.eval.model import EvaluationRun
from aiplatform.eval.statistics.hashing import Keys
from aiplatform.eval.statistics.jackknife import compare_without_groups, groups_of
from aiplatform.eval.statistics.paired import Contrast

CORPUS: Final = "corpus"
MAX_ROWS: Final = 500_000
"""Runs up to this size are compared by metrics of the whole corpus: their answers are read for it."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was expected of each row of a run, and what came."""

    expected: Sequence[Any]
    output: Sequence[Any]

    def taken(self, places: Places) -> Answers:
        """The rows at these places; nothing where a place is negative."""
        return Answers(
            expected=[self.expected[place] if place >= 0 else None for place in places.tolist()],
            output=[self.output[place] if place >= 0 else None for place in places.tolist()],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedAnswers:
    """The answers of joined rows under either version, and the metric that is compared."""

    measure: Measure
    metric: str
    """Name of the number: one measure may give several."""

    baseline: Answers
    candidate: Answers

    def restricted(self, mask: npt.NDArray[np.bool_]) -> PairedAnswers:
        """The rows where the mask holds."""
        places = np.flatnonzero(mask)
        return replace(self, baseline=self.baseline.taken(places), candidate=self.candidate.taken(places))


def measure_of(run: EvaluationRun, metric: str) -> Measure | None:
    """The measure that gave a run's number of that name; None where stored rows do not hold what it reads."""
    owner = next((ref.name for ref in run.scorers if metric == ref.name or metric.startswith(f"{ref.name}[")), None)
    if owner is None:
        return None
    try:
        (measure,) = resolve([owner])
    except InvalidError:
        return None  # one that a program brought with it, or that has a name of its own
    return measure if set(measure.collector.needs) <= {EXPECTED, OUTPUT} else None


def compare_answers(both: PairedAnswers, keys: Keys, level: float) -> Contrast:
    """How the metric differs, by the delete-a-group jackknife.

    Args:
        both: Rows that both versions answered.
        keys: Of the rows, or of their clusters.
        level: Of the interval.
    """
    groups = groups_of(keys)
    left, right = (_Parts(both, side, groups) for side in (both.baseline, both.candidate))
    without = [
        _difference(left.without(group), right.without(group)) for group in range(int(groups.max(initial=-1)) + 1)
    ]
    return compare_without_groups(_difference(left.whole(), right.whole()), without, len(keys), level=level)


class _Parts:
    """One version's states by group, and their sums from either end, so that leaving one out is one merge."""

    def __init__(self, both: PairedAnswers, answers: Answers, groups: Places) -> None:
        self._both = both
        collector = both.measure.collector
        self._states: list[State] = []
        for group in range(int(groups.max(initial=-1)) + 1):
            part = answers.taken(np.flatnonzero(groups == group))
            columns = {EXPECTED: Column(part.expected), OUTPUT: Column(part.output)}
            ids = [str(place) for place in range(len(part.expected))]  # draws alone are keyed by them, and none is made
            block = Block(columns=columns, num_rows=len(ids), row_ids=lambda ids=ids: ids)  # type: ignore[misc]
            self._states.append(collector.collect(block))
        self._before = _sums(self._states)
        self._behind = _sums(self._states[::-1])[::-1]

    def whole(self) -> float | None:
        """The metric of all rows."""
        return self._value(self._before[-1] if self._before else None)

    def without(self, group: int) -> float | None:
        """The metric of all rows but those of a group."""
        before = self._before[group - 1] if group > 0 else None
        behind = self._behind[group + 1] if group + 1 < len(self._behind) else None
        if before is None or behind is None:
            return self._value(before or behind)
        state = copy.deepcopy(before)
        state.merge(behind)
        return self._value(state)

    def _value(self, state: State | None) -> float | None:
        if state is None:
            return None
        found = self._both.measure.metrics(copy.deepcopy(state), Request(draws=0))
        return next((metric.value for metric in found if metric.name == self._both.metric), None)


def _sums(states: Sequence[State]) -> list[State]:
    sums: list[State] = []
    for state in states:
        total = copy.deepcopy(sums[-1]) if sums else copy.deepcopy(state)
        if sums:
            total.merge(copy.deepcopy(state))
        sums.append(total)
    return sums


def _difference(baseline: float | None, candidate: float | None) -> float | None:
    return None if baseline is None or candidate is None else candidate - baseline
