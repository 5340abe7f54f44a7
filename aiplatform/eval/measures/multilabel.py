"""Metrics of sets of labels: counts of each label over rows, finished as scikit-learn finishes indicator matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures.classification import ratio
from aiplatform.eval.measures.columns import Block, Label
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Estimate, PairReader, Request, undefined
from aiplatform.eval.measures.states import Fate
from aiplatform.eval.statistics.exact import Floats


@dataclass(frozen=True, slots=True)
class LabelsCollector(PairReader):
    """Hits, expected and given rows of each label."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> LabelCounts:
        """The counts of one block."""
        found = LabelCounts()
        pairs = zip(block.column(self.expected).values, block.column(self.output).values, strict=True)
        for expected, output in pairs:
            wanted = labels_of(expected)
            came = labels_of(output)
            if wanted is None:
                found.fate.not_applicable += 1
            elif came is None:
                found.fate.failed += 1
            else:
                found.fate.scored += 1
                for place, labels in enumerate((wanted & came, wanted, came)):
                    for label in labels:
                        found.counts.setdefault(label, [0, 0, 0])[place] += 1
                if isinstance(expected, list) and _is_indicator(expected):
                    found.width = max(found.width, len(expected))
        return found


@dataclass(slots=True)
class LabelCounts:
    """Hits, expected and given rows of each label."""

    fate: Fate = field(default_factory=Fate)
    counts: dict[Label, list[int]] = field(default_factory=dict)
    width: int = 0
    """How many labels there are, where rows come as indicators."""

    def merge(self, other: LabelCounts) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.width = max(self.width, other.width)
        for label, counts in other.counts.items():
            mine = self.counts.setdefault(label, [0, 0, 0])
            for place, count in enumerate(counts):
                mine[place] += count

    @property
    def labels(self) -> list[Label]:
        """The labels, sorted; all places of indicators."""
        if self.width:
            return list(range(self.width))
        return sorted(self.counts, key=lambda label: (isinstance(label, str), label))

    def sides(self) -> tuple[Floats, Floats, Floats]:
        """Hits, expected and given by label."""
        table = np.array([self.counts.get(label, [0, 0, 0]) for label in self.labels], dtype=np.float64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]


def labels_of(value: Any) -> frozenset[Label] | None:
    """The labels of a row: a list of them, or 0 and 1 by place; None where it is neither."""
    if isinstance(value, Mapping):
        value = value.get("labels")
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    if isinstance(value, list | tuple) and _is_indicator(value):
        return frozenset(place for place, each in enumerate(value) if each)
    return frozenset(each if isinstance(each, str | int | float) else str(each) for each in value)


def over_labels(which: str, average: str | None, beta: float, zero_division: float) -> Any:
    """Precision, recall, F or Jaccard, micro, macro, weighted, or of each label."""

    def finish(state: LabelCounts, request: Request) -> Iterator[Estimate]:
        if not state.fate.scored:
            yield undefined(N_("no row was scored"))
            return
        hits, expected, given = state.sides()
        if average == "micro":
            sums = [np.array([side.sum()]) for side in (hits, expected, given)]
            yield Estimate(value=float(ratio(which, beta, zero_division, *sums)[0]))
            return
        by_label = ratio(which, beta, zero_division, hits, expected, given)
        if average is None:
            for label, value, support in zip(state.labels, by_label.tolist(), expected.tolist(), strict=True):
                yield Estimate(value=value, suffix=f"[{label}]", details={"support": int(support)})
            return
        weights = expected if average == "weighted" else None
        if weights is not None and not weights.sum():
            yield Estimate(value=zero_division)
            return
        yield Estimate(value=float(np.average(by_label, weights=weights)))

    return finish


def hamming(state: LabelCounts, request: Request) -> Iterator[Estimate]:
    """The share of labels that are wrong, over rows and labels."""
    cells = state.fate.scored * len(state.labels)
    if not cells:
        yield undefined(N_("no row was scored"))
        return
    hits, expected, given = state.sides()
    yield Estimate(value=float((expected + given - 2 * hits).sum()) / cells, details={"labels": len(state.labels)})


def of_row(which: str, beta: float, zero_division: float) -> Callable[[Any, Any], float | None]:
    """One number a row: of its own labels (`samples`), or 1 where all are right (`subset`)."""

    def score(expected: Any, output: Any) -> float:
        wanted, came = labels_of(expected), labels_of(output)
        if wanted is None or came is None:
            raise ValueError("the labels of a row are a list")
        if which == "subset":
            return float(wanted == came)
        sides = (np.array([float(len(labels))]) for labels in (wanted & came, wanted, came))
        found = float(ratio(which, beta, zero_division, *sides)[0])
        if math.isnan(found):
            raise ValueError("nothing to divide by")
        return found

    return score


def _is_indicator(value: Sequence[Any]) -> bool:
    return len(value) > 1 and all(isinstance(each, int | float) and each in {0, 1} for each in value)
