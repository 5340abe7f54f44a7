"""Metrics of one score a row against two classes: areas under curves, calibration.

Scores are held as sorted count maps by class, so ties count as the reference counts them, and scikit-learn's own
function finishes the merged map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import replicates
from aiplatform.eval.measures.columns import SCORED, Block, Codes, Column, Label
from aiplatform.eval.measures.measure import (
    BOOTSTRAP,
    EXPECTED,
    OUTPUT,
    Estimate,
    PairReader,
    Request,
    Vectorised,
    fates,
    undefined,
)
from aiplatform.eval.measures.states import Counts, Fate, Tally
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.intervals import auc_interval
from aiplatform.eval.statistics.ranking import ScoreCounts

MAX_INTERVAL_SCORES: Final = 100_000
"""Distinct scores up to which an area has its interval."""

_SCORE_FIELDS: Final = ("score", "probability", "confidence")


@dataclass(frozen=True, slots=True)
class ScoresCollector(PairReader, Vectorised):
    """How often each score was given, by class."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def collect(self, block: Block) -> Scores:
        """The counts of one block."""
        truths, scores = block.column(self.expected), _scores(block.column(self.output))
        states = fates(truths.is_missing, np.isnan(scores))
        codes, labels = truths.labels
        found = Scores(Fate.of(states))
        for code, label in enumerate(labels):
            these = (codes == code) & (states == SCORED)
            if these.any():
                found.tallies[isinstance(label, str), label] = Tally.of(scores[these])
        return found


@dataclass(slots=True)
class Scores:
    """How often each score was given, by class."""

    fate: Fate
    tallies: dict[tuple[bool, Label], Tally] = field(default_factory=dict)

    def merge(self, other: Scores) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        for label, tally in other.tallies.items():
            if label in self.tallies:
                self.tallies[label].merge(tally)
            else:
                self.tallies[label] = tally

    def cells(self, positive: Label | None, *, needs_both: bool) -> Cells | Estimate:
        """Scores with truths and counts, each score at most twice; why not, where there are not two classes.

        Args:
            positive: The class that scores speak for; by default the greater one, as the reference has it.
            needs_both: Whether both classes must occur.
        """
        if len({is_text for is_text, _ in self.tallies}) > 1:
            return undefined(N_("some classes are texts and some are numbers"))
        labels = sorted(label for _, label in self.tallies)
        if not labels:
            return undefined(N_("no row was scored"))
        if positive is None:
            positive = labels[1] if len(labels) == 2 else 1
        if len(labels) > 2 or (needs_both and (len(labels) < 2 or positive not in labels)):
            return undefined(N_("there are not two classes"), classes=[str(each) for each in labels])
        tallies = [(label, tally.settle()) for (_, label), tally in sorted(self.tallies.items())]
        return Cells(
            scores=np.concatenate([tally.keys[:, 0] for _, tally in tallies]),
            truths=np.concatenate([np.full(len(tally.keys), label == positive, np.int64) for label, tally in tallies]),
            counts=np.concatenate([tally.counts[:, 0] for _, tally in tallies]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Distinct scores of each class."""

    scores: Floats
    truths: Codes
    counts: Counts

    @property
    def positives(self) -> int:
        """Rows of the class."""
        return int(self.counts[self.truths == 1].sum())

    @property
    def told(self) -> Mapping[str, Any]:
        """How many rows each side has."""
        return {"positives": self.positives, "negatives": int(self.counts.sum()) - self.positives}


Finished = Callable[[Scores, Request], Iterator[Estimate]]


def area(function: str, label: Label | None) -> Finished:
    """Finish with `roc_auc_score` or `average_precision_score` of scikit-learn."""

    def finish(state: Scores, request: Request) -> Iterator[Estimate]:
        from sklearn import metrics  # noqa: PLC0415 - heavy

        cells = state.cells(label, needs_both=function == "roc_auc_score")
        if isinstance(cells, Estimate):
            yield cells
            return
        value = float(getattr(metrics, function)(cells.truths, cells.scores, sample_weight=cells.counts))
        if function == "roc_auc_score":
            interval, method = _area_interval(cells, request)
        else:
            drawn = replicates.of_cells(cells.counts, request) if len(cells.counts) <= MAX_INTERVAL_SCORES else None
            interval = replicates.interval(lambda counts: _average_precisions(cells, counts), drawn, request)
            method = BOOTSTRAP
        yield Estimate(value=value, interval=interval, method=method, details=cells.told)

    return finish


def calibration(bins: int, label: Label | None) -> Finished:
    """The gap between probability and share, by bins of equal width and weighed by their rows.

    Source:
        torchmetrics `BinaryCalibrationError(norm="l1")`.
    """

    def finish(state: Scores, request: Request) -> Iterator[Estimate]:
        cells = state.cells(label, needs_both=False)
        if isinstance(cells, Estimate):
            yield cells
            return
        if (cells.scores < 0).any() or (cells.scores > 1).any():
            yield undefined(N_("some outputs are no probabilities"))
            return
        places = bins_of(cells.scores, bins)
        sums = [math.fsum((cells.scores * cells.counts)[places == place]) for place in range(bins + 1)]
        rows = np.bincount(places, weights=cells.counts, minlength=bins + 1)
        hits = np.bincount(places, weights=cells.counts * cells.truths, minlength=bins + 1)
        gaps = [abs(hit / n - total / n) * n for hit, total, n in zip(hits, sums, rows, strict=True) if n]
        curve = [
            {"confidence": total / n, "share": hit / n, "n": int(n)}
            for hit, total, n in zip(hits.tolist(), sums, rows.tolist(), strict=True)
            if n
        ]
        yield Estimate(value=math.fsum(gaps) / float(rows.sum()), details={"bins": bins, "curve": curve})

    return finish


def bins_of(probabilities: Floats, bins: int) -> Codes:
    """The bin of each probability; a bin holds its lower edge, and 1 has one of its own, as torchmetrics has it."""
    edges = np.linspace(0, 1, bins + 1)
    return np.asarray(np.searchsorted(edges, probabilities, side="right") - 1, dtype=np.int64)


def _scores(column: Column) -> Floats:
    """The score of each row: a number, the second of two, or what an answer says of itself."""
    floats = column.floats
    if np.isnan(floats).all() and len(floats):
        return np.array([_told(value) for value in column.values], dtype=np.float64)
    return floats


def _told(value: Any) -> float:
    if isinstance(value, list) and len(value) == 2:
        value = {"score": value[1]}
    if not isinstance(value, Mapping):
        return math.nan
    told = next((value[key] for key in _SCORE_FIELDS if value.get(key) is not None), None)
    return float(told) if isinstance(told, int | float) else math.nan


def _area_interval(cells: Cells, request: Request) -> tuple[tuple[float, float] | None, str]:
    if len(cells.scores) > MAX_INTERVAL_SCORES:
        return None, ""
    counts = ScoreCounts()
    for score, truth, count in zip(cells.scores.tolist(), cells.truths.tolist(), cells.counts.tolist(), strict=True):
        negatives, positives = counts.counts.get(score, (0, 0))
        counts.counts[score] = (negatives, positives + count) if truth else (negatives + count, positives)
    return auc_interval(counts, request.level) or (None, "")


def _average_precisions(cells: Cells, drawn: Floats) -> Floats:
    order = np.argsort(-cells.scores, kind="stable")
    scores, truths, counts = cells.scores[order], cells.truths[order], drawn[:, order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits, all_rows = np.cumsum(counts * truths, axis=1)[:, ends], np.cumsum(counts, axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = np.where(all_rows > 0, hits / np.maximum(all_rows, 1.0), 0.0)
    return np.asarray((gained * precision).sum(axis=1) / hits[:, -1], dtype=np.float64)
