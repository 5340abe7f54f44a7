"""Metrics of a probability for each class: areas under ROC curves, log loss, Brier, top k, calibration.

The output is a list in the order of the sorted classes, numbers by class, or one number, of the greater of two classes.
Which class a place stands for is known only when all rows are, so everything is counted by place and by true class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED, Block, Codes, Label
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Estimate, PairReader, Request, undefined
from aiplatform.eval.measures.scores import bins_of
from aiplatform.eval.measures.states import Fate, Tally
from aiplatform.eval.model import MetricKind
from aiplatform.eval.statistics.exact import Floats, Moments
from aiplatform.eval.statistics.intervals import t_interval, wilson

_UNIT: Final = 1 << 1074
Key = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class VectorsCollector(PairReader):
    """Sums and counts by place of the class and true class."""

    of: str
    """`ranks`, `log`, `brier`, `top` or `bins`."""

    size: int = 0
    """How many are the top, or how many bins there are."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> Vectors:
        """The sums of one block."""
        codes, labels = block.column(self.expected).labels
        found = Vectors()
        states = np.full(block.num_rows, SCORED, dtype=np.int8)
        rows: list[list[float]] = []
        for place, output in enumerate(block.column(self.output).values):
            vector = found.vector(output)
            if codes[place] < 0:
                states[place] = NOT_APPLICABLE
            elif vector is None or (rows and len(vector) != len(rows[0])):
                states[place] = FAILED
            else:
                rows.append(vector)
        found.fate = Fate.of(states)
        if rows:
            found.width = len(rows[0])
            usable, values = codes[states == SCORED], np.array(rows, dtype=np.float64)
            for code in np.unique(usable).tolist():
                self._add(found, values[usable == code], labels[code])
        return found

    def _add(self, found: Vectors, rows: Floats, label: Label) -> None:
        found.truths[label] = len(rows)
        for key, value in self._sums(rows):
            found.sums[(*key, label)] = found.sums.get((*key, label), 0) + value
        if self.of == "ranks":
            for place in range(found.width):
                found.tallies[place, label] = Tally.of(rows[:, place])

    def _sums(self, rows: Floats) -> Iterator[tuple[Key, int]]:
        if self.of in {"log", "brier"}:
            eps = float(np.finfo(np.float64).eps)
            squares = (rows**2).sum(axis=1)
            for place in range(rows.shape[1]):
                chance = rows[:, place]
                loss = -np.log(np.clip(chance, eps, 1 - eps)) if self.of == "log" else squares - 2 * chance + 1
                moments = Moments()
                moments.add(loss)
                yield ("sum", place), moments.units
                yield ("squares", place), moments.square_units
        elif self.of == "top":
            # Of equal ones the later is taken first, as the reference sorts.
            ranked = np.argsort(rows, axis=1, kind="mergesort")[:, ::-1][:, : self.size]
            for place, count in enumerate(np.bincount(ranked.ravel(), minlength=rows.shape[1]).tolist()):
                yield (place,), count
        elif self.of == "bins":
            best = rows.argmax(axis=1)
            largest = rows.max(axis=1)
            bins = bins_of(largest, self.size)
            for where in {*zip(bins.tolist(), best.tolist(), strict=True)}:
                these = (bins == where[0]) & (best == where[1])
                yield ("rows", *where), int(these.sum())
                yield ("confidence", *where), _units(largest[these])


@dataclass(slots=True)
class Vectors:
    """What vectors of probabilities come to."""

    fate: Fate = field(default_factory=Fate)
    classes: tuple[Label, ...] | None = None
    """Classes by place, where outputs name them."""

    width: int = 0
    truths: dict[Label, int] = field(default_factory=dict)
    sums: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Counts, or sums in units of 2^-1074; the last part of a key is the true class."""

    tallies: dict[tuple[int, Label], Tally] = field(default_factory=dict)

    def merge(self, other: Vectors) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.classes = self.classes or other.classes
        self.width = max(self.width, other.width)
        for label, count in other.truths.items():
            self.truths[label] = self.truths.get(label, 0) + count
        for key, total in other.sums.items():
            self.sums[key] = self.sums.get(key, 0) + total
        for place, tally in other.tallies.items():
            if place in self.tallies:
                self.tallies[place].merge(tally)
            else:
                self.tallies[place] = tally

    def vector(self, output: Any) -> list[float] | None:
        """The probabilities of a row by place; None where the output holds none."""
        if isinstance(output, Mapping):
            output = output.get("probabilities", output)
        if isinstance(output, Mapping):
            known = self.classes or tuple(sorted(output))
            if set(known) != set(output):
                return None
            self.classes = known
            output = [output[label] for label in known]
        if isinstance(output, int | float) and 0 <= output <= 1:
            output = [1 - output, output]
        if not isinstance(output, Sequence) or isinstance(output, str):
            return None
        found = [float(each) if isinstance(each, int | float) else math.nan for each in output]
        return found if found and all(map(math.isfinite, found)) else None

    def labels(self, given: Sequence[Label] | None) -> list[Label] | Estimate:
        """The class of each place, or why it cannot be told."""
        if not self.fate.scored:
            return undefined(N_("no row was scored"))
        if len({isinstance(label, str) for label in self.truths}) > 1:
            return undefined(N_("some classes are texts and some are numbers"))
        labels = list(given or self.classes or sorted(self.truths))
        if self.width == 2 and not given and set(labels) <= {0, 1}:
            labels = [0, 1]
        unknown = sorted(str(label) for label in self.truths if label not in labels)
        if len(labels) != self.width or unknown:
            return undefined(N_("the number of probabilities is not that of the classes: say labels=[...]"),
                             probabilities=self.width, classes=[str(each) for each in labels])  # fmt: skip
        return labels


Finished = Callable[[Vectors, Request], Iterator[Estimate]]
OnLabels = Callable[[Vectors, list[Label], Request], Estimate]


def with_labels(function: OnLabels, labels: Sequence[Label] | None) -> Finished:
    """Finish where the class of each place is known, else say why not."""

    def finish(state: Vectors, request: Request) -> Iterator[Estimate]:
        known = state.labels(labels)
        yield known if isinstance(known, Estimate) else function(state, known, request)

    return finish


def mean_loss(state: Vectors, labels: list[Label], request: Request) -> Estimate:
    """The mean of the losses at the true class."""
    moments = Moments(n=state.fate.scored)
    for place, label in enumerate(labels):
        moments.units += state.sums.get(("sum", place, label), 0)
        moments.square_units += state.sums.get(("squares", place, label), 0)
    return Estimate(value=moments.mean, interval=t_interval(moments, request.level), method="t")


def mean_brier(state: Vectors, labels: list[Label], request: Request) -> Estimate:
    """The same; of two classes half of it, as the reference scales it."""
    found = mean_loss(state, labels, request)
    if len(labels) != 2 or found.value is None:
        return found
    halved = (found.interval[0] / 2, found.interval[1] / 2) if found.interval else None
    return Estimate(value=found.value / 2, interval=halved, method=found.method)


def in_top(state: Vectors, labels: list[Label], request: Request) -> Estimate:
    """The share of rows whose class is among the most probable."""
    hits = sum(state.sums.get((place, label), 0) for place, label in enumerate(labels))
    n = state.fate.scored
    return Estimate(
        value=hits / n, interval=wilson(hits, n, request.level), method="wilson", kind=MetricKind.PROPORTION
    )


def calibration(state: Vectors, labels: list[Label], request: Request) -> Estimate:
    """The gap between the largest probability and how often it is right, by bins.

    Source:
        torchmetrics `MulticlassCalibrationError(norm="l1")`.
    """
    rows: dict[int, int] = {}
    hits: dict[int, int] = {}
    confidence: dict[int, int] = {}
    for (what, edge, place, label), total in state.sums.items():
        if what == "confidence":
            confidence[edge] = confidence.get(edge, 0) + total
            continue
        rows[edge] = rows.get(edge, 0) + total
        hits[edge] = hits.get(edge, 0) + total * (labels[place] == label)
    gaps = [abs(hits[edge] / n - confidence[edge] / (n * _UNIT)) * n for edge, n in sorted(rows.items())]
    return Estimate(value=math.fsum(gaps) / sum(rows.values()))


def areas(multi_class: str, average: str | None) -> OnLabels:
    """Areas under the ROC curve, of one class against the rest (`ovr`) or against each other one (`ovo`)."""

    def of(state: Vectors, labels: list[Label], request: Request) -> Estimate:
        if any(label not in state.truths for label in labels):
            return undefined(N_("some class has no row"))
        n = sum(state.truths.values())
        if multi_class == "ovr":
            found = [
                _area(state.tallies[place, label], [state.tallies[place, each] for each in labels if each != label])
                for place, label in enumerate(labels)
            ]
            weights = [float(state.truths[label]) for label in labels]
        else:
            pairs = list(itertools.combinations(range(len(labels)), 2))
            found = [
                (_area(state.tallies[a, labels[a]], [state.tallies[a, labels[b]]])
                 + _area(state.tallies[b, labels[b]], [state.tallies[b, labels[a]]])) / 2
                for a, b in pairs
            ]  # fmt: skip
            weights = [(state.truths[labels[a]] + state.truths[labels[b]]) / n for a, b in pairs]
        value = float(np.average(found, weights=weights if average == "weighted" else None))
        named = {str(label): area for label, area in zip(labels, found, strict=False)} if multi_class == "ovr" else {}
        return Estimate(value=value, details={"areas": named} if named else {})

    return of


def _area(of_class: Tally, others: Sequence[Tally]) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - heavy

    every = [of_class, *others]
    scores = np.concatenate([tally.settle().keys[:, 0] for tally in every])
    counts = np.concatenate([tally.counts[:, 0] for tally in every])
    truths: Codes = np.zeros(len(scores), dtype=np.int64)
    truths[: len(of_class.keys)] = 1
    return float(roc_auc_score(truths, scores, sample_weight=counts))


def _units(values: Floats) -> int:
    moments = Moments()
    moments.add(values)
    return moments.units
