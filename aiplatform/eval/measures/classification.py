"""Metrics of classes, from a confusion matrix in whole numbers: scikit-learn's own functions finish it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import replicates
from aiplatform.eval.measures.columns import MISSING, Block, Codes, Label
from aiplatform.eval.measures.measure import (
    BOOTSTRAP,
    CLUSTERED,
    EXPECTED,
    OUTPUT,
    Estimate,
    PairReader,
    Request,
    RowValues,
    Vectorised,
    pairs,
    undefined,
)
from aiplatform.eval.measures.states import NUM_BUCKETS, Counts, Fate, Tally
from aiplatform.eval.model import MetricKind
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.intervals import wilson

MAX_DENSE_CELLS: Final = 1 << 22
MAX_TOLD_CLASSES: Final = 100
OTHER: Final = -2
"""Code of a class that no row of the block expects."""


Averages = str | None


@dataclass(frozen=True, slots=True)
class ConfusionCollector(PairReader, Vectorised):
    """Counts how often each class was taken for which."""

    expected: str = EXPECTED
    output: str = OUTPUT

    def row_values(self, block: Block) -> RowValues:
        """1 where the class of a row is right, and each row's fate."""
        found = pairs(block, self.expected, self.output)
        (truths, truth_labels), (guesses, guess_labels) = found.expected.labels, found.output.labels
        known = {(isinstance(label, str), label): code for code, label in enumerate(truth_labels)}
        as_truth = [known.get((isinstance(label, str), label), OTHER) for label in guess_labels]
        # The code of a missing value takes the last entry.
        mapped = np.array([*as_truth, MISSING], dtype=np.int64)[guesses]
        return np.where(mapped == truths, 1.0, 0.0), found.states

    def collect(self, block: Block) -> Confusion:
        """The counts of one block."""
        found = pairs(block, self.expected, self.output)
        truths, truth_labels = found.expected.labels
        guesses, guess_labels = found.output.labels
        state = Confusion(fate=Fate.of(found.states), is_clustered=bool(block.cluster))
        truth_map = np.array([state.code(label) for label in truth_labels] or [0], dtype=np.int64)
        guess_map = np.array([state.code(label) for label in guess_labels] or [0], dtype=np.int64)
        groups = (block.keys % np.uint64(NUM_BUCKETS)).astype(np.int64) if block.cluster else None
        if not found.usable.all():
            truths, guesses = truths[found.usable], guesses[found.usable]
            groups = groups[found.usable] if groups is not None else None
        state.tally = _counted(truth_map, guess_map, truths, guesses, groups)
        return state


@dataclass(slots=True)
class Confusion:
    """How often each class was taken for which, by bucket of clusters where there are any."""

    fate: Fate = field(default_factory=Fate)
    is_clustered: bool = False
    codes: dict[tuple[bool, Label], int] = field(default_factory=dict)
    tally: Tally = field(default_factory=lambda: Tally(np.empty((0, 3)), np.empty((0, 1), dtype=np.int64)))
    """Keys (bucket, truth, guess)."""

    def code(self, label: Label) -> int:
        """The code of a class; text and number are never one class."""
        return self.codes.setdefault((isinstance(label, str), label), len(self.codes))

    def merge(self, other: Confusion) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        theirs = other.tally.settle()
        mapped = np.array([self.code(label) for _, label in other.codes] or [0], dtype=np.float64)
        keys = theirs.keys.copy()
        keys[:, 1:] = mapped[keys[:, 1:].astype(np.int64)]
        self.tally.merge(Tally(keys, theirs.counts))

    def cells(self) -> Cells:
        """The matrix with its classes sorted, as scikit-learn has it.

        Raises:
            TypeError: Some classes are texts and some are numbers.
        """
        tally = self.tally.settle()
        used = np.unique(tally.keys[:, 1:]).astype(int).tolist()
        by_code = {code: label for (_, label), code in self.codes.items()}
        labels = sorted(by_code[code] for code in used)
        place = {label: at for at, label in enumerate(labels)}
        places = np.zeros(len(self.codes) + 1, dtype=np.int64)
        for code in used:
            places[code] = place[by_code[code]]
        buckets = tally.keys[:, 0].astype(np.int64)
        truths, guesses = (places[tally.keys[:, part].astype(np.int64)] for part in (1, 2))
        order = np.lexsort((guesses, truths, buckets))
        return Cells(labels, truths[order], guesses[order], tally.counts[order, 0], buckets[order], self.is_clustered)


@dataclass(frozen=True, slots=True)
class Cells:
    """The non-empty cells of a confusion matrix."""

    labels: list[Label]
    truths: Codes
    guesses: Codes
    counts: Counts
    buckets: Codes
    is_clustered: bool

    def drawn(self, request: Request) -> Floats | None:
        """Counts of the cells in each draw."""
        if not self.is_clustered:
            return replicates.of_cells(self.counts, request)
        present = np.unique(self.buckets)
        weights = replicates.of_buckets(
            Tally(present[:, None].astype(np.float64), np.eye(len(present), dtype=np.int64)), request
        )
        return None if weights is None else weights[:, np.searchsorted(present, self.buckets)] * self.counts

    def sides(self, counts: Floats) -> Sides:
        """True, expected and given counts a class, from counts of the cells in each draw."""
        size = len(self.labels)
        right = self.truths == self.guesses

        def summed(codes: Codes, values: Floats) -> Floats:
            gathered = np.zeros((len(codes), size))
            gathered[np.arange(len(codes)), codes] = 1.0
            return np.asarray(values @ gathered, dtype=np.float64)

        return Sides(
            hits=summed(self.truths[right], counts[:, right]),
            expected=summed(self.truths, counts),
            given=summed(self.guesses, counts),
        )


@dataclass(frozen=True, slots=True)
class Sides:
    """Counts a class, shape (draws, classes)."""

    hits: Floats
    expected: Floats
    given: Floats


Reference = Callable[[Any, Any, Any], Any]
OnSides = Callable[[Sides], Floats]


def of_confusion(reference: Reference, on_sides: OnSides | None) -> Callable[[Confusion, Request], Iterator[Estimate]]:
    """Finish with scikit-learn's function on the cells, and draws by the same formula on counts.

    Args:
        reference: Called with truths, guesses and weights of the cells; one number.
        on_sides: The same for all draws at once; None where no interval is told.
    """

    def finish(state: Confusion, request: Request) -> Iterator[Estimate]:
        cells = _cells_or_none(state)
        if isinstance(cells, Estimate):
            yield cells
            return
        value = called(reference, cells)
        drawn = cells.drawn(request) if on_sides is not None and value is not None else None
        found = replicates.interval(lambda counts: on_sides(cells.sides(counts)), drawn, request) if on_sides else None
        yield Estimate(
            value=value,
            interval=found,
            method=f"{CLUSTERED}{BOOTSTRAP}" if cells.is_clustered else BOOTSTRAP,
            details={} if value is not None else {"undefined": N_("the reference gives no number for these rows")},
        )

    return finish


def accuracy(state: Confusion, request: Request) -> Iterator[Estimate]:
    """The share of rows whose class is right, with Wilson's interval."""
    from sklearn.metrics import accuracy_score  # noqa: PLC0415 - heavy

    cells = _cells_or_none(state)
    if isinstance(cells, Estimate):
        yield cells
        return
    hits, n = int(cells.counts[cells.truths == cells.guesses].sum()), int(cells.counts.sum())
    if cells.is_clustered:
        found = replicates.interval(
            lambda counts: cells.sides(counts).hits.sum(axis=1) / counts.sum(axis=1), cells.drawn(request), request
        )
        method = f"{CLUSTERED}{BOOTSTRAP}"
    else:
        found, method = wilson(hits, n, request.level), "wilson"
    yield Estimate(value=called(accuracy_score_of(accuracy_score), cells), interval=found, method=method)


def accuracy_score_of(function: Callable[..., Any]) -> Reference:
    """A function of scikit-learn that takes weights, with nothing else said."""
    return lambda truths, guesses, weights: function(truths, guesses, sample_weight=weights)


def averaged(
    which: str, average: str, *, beta: float, zero_division: float, labels: Sequence[Label] | None = None
) -> tuple[Reference, OnSides | None]:
    """Precision, recall, F or Jaccard over classes: scikit-learn's function, and the formula for draws.

    Args:
        which: `precision`, `recall`, `jaccard` or `f`.
        average: `macro`, `micro` or `weighted`.
        beta: How much recall weighs in F.
        zero_division: What stands where there is nothing to divide by.
        labels: The classes to average over; by default those that occur. Of some only, no interval is told.
    """
    from sklearn import metrics  # noqa: PLC0415 - heavy

    function = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "jaccard": metrics.jaccard_score,
        "f": metrics.fbeta_score,
    }[which]
    options: dict[str, Any] = {"average": average, "zero_division": zero_division}
    if labels is not None:
        options["labels"] = list(labels)
    if which == "f":
        options["beta"] = beta

    def reference(truths: Any, guesses: Any, weights: Any) -> Any:
        return function(truths, guesses, sample_weight=weights, **options)

    def on_sides(sides: Sides) -> Floats:
        if average == "micro":
            return ratio(which, beta, zero_division, *(side.sum(axis=1) for side in _all(sides)))
        by_class = ratio(which, beta, zero_division, *_all(sides))
        present = (sides.expected + sides.given) > 0
        weights = sides.expected if average == "weighted" else present.astype(np.float64)
        return np.asarray(np.nansum(by_class * weights, axis=1) / weights.sum(axis=1), dtype=np.float64)

    return reference, on_sides if labels is None else None


def ratio(which: str, beta: float, zero_division: float, hits: Floats, expected: Floats, given: Floats) -> Floats:
    """Precision, recall, F or Jaccard from counts."""
    below = {
        "precision": given,
        "recall": expected,
        "jaccard": expected + given - hits,
        "f": beta**2 * expected + given,
    }[which]
    above = (1 + beta**2) * hits if which == "f" else hits
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 0, above / below, zero_division), dtype=np.float64)


def per_class(
    which: str, *, beta: float, zero_division: float, only: Label | None = None, is_binary: bool = False
) -> Callable[[Confusion, Request], Iterator[Estimate]]:
    """One number a class, or that of one class.

    Args:
        which: `precision`, `recall`, `jaccard` or `f`.
        beta: How much recall weighs in F.
        zero_division: What stands where there is nothing to divide by.
        only: The one class to tell of.
        is_binary: Whether there may be two classes at most, as where the reference averages by `binary`.
    """

    def finish(state: Confusion, request: Request) -> Iterator[Estimate]:
        cells = _cells_or_none(state)
        if isinstance(cells, Estimate):
            yield cells
            return
        if is_binary and len(cells.labels) > 2:
            yield undefined(N_("there are more than two classes: ask for macro, micro, weighted, or a label"))
            return
        if only is not None and only not in cells.labels:
            lone = is_binary and len(cells.labels) == 1 and not isinstance(cells.labels[0], str)
            yield Estimate(value=zero_division) if lone else undefined(N_("the class does not occur"), label=only)
            return
        values = _by_class(which, cells, beta, zero_division)
        drawn = cells.drawn(request) if len(cells.labels) <= MAX_TOLD_CLASSES else None
        sides = cells.sides(drawn) if drawn is not None else None
        whole = cells.sides(cells.counts[None, :].astype(np.float64))
        for place, label in enumerate(cells.labels):
            if only is not None and label != only:
                continue
            yield _of_class(
                which, place, values, whole, sides, cells, request, beta, "" if only is not None else f"[{label}]"
            )

    return finish


def confusion_matrix(state: Confusion, request: Request) -> Iterator[Estimate]:
    """The matrix in the details; the value is the number of right ones over all, as accuracy has it."""
    for found in accuracy(state, request):
        cells = _cells_or_none(state)
        if isinstance(cells, Estimate) or len(cells.labels) > MAX_TOLD_CLASSES:
            yield found
            return
        matrix = np.zeros((len(cells.labels), len(cells.labels)), dtype=np.int64)
        np.add.at(matrix, (cells.truths, cells.guesses), cells.counts)
        details = {"labels": cells.labels, "matrix": matrix.tolist()}
        yield Estimate(value=found.value, interval=found.interval, method=found.method, details=details)


def balanced_accuracy(*, adjusted: bool) -> tuple[Reference, OnSides]:
    """The mean recall of the classes that occur."""
    from sklearn.metrics import balanced_accuracy_score  # noqa: PLC0415 - heavy

    def on_sides(sides: Sides) -> Floats:
        recalls = np.where(sides.expected > 0, sides.hits / sides.expected, np.nan)
        classes = (sides.expected > 0).sum(axis=1)
        value = np.nansum(recalls, axis=1) / classes
        return np.asarray((value - 1 / classes) / (1 - 1 / classes) if adjusted else value, dtype=np.float64)

    return lambda t, g, w: balanced_accuracy_score(t, g, sample_weight=w, adjusted=adjusted), on_sides


def matthews() -> tuple[Reference, OnSides]:
    """The correlation of truth and guess."""
    from sklearn.metrics import matthews_corrcoef  # noqa: PLC0415 - heavy

    def on_sides(sides: Sides) -> Floats:
        n = sides.expected.sum(axis=1)
        cross = sides.hits.sum(axis=1) * n - (sides.expected * sides.given).sum(axis=1)
        truth = n**2 - (sides.expected**2).sum(axis=1)
        guess = n**2 - (sides.given**2).sum(axis=1)
        spread = np.sqrt(truth * guess)
        return np.asarray(np.where(spread > 0, cross / spread, 0.0), dtype=np.float64)

    return accuracy_score_of(matthews_corrcoef), on_sides


def kappa(weights: str | None) -> tuple[Reference, OnSides | None]:
    """Agreement beyond chance; weighted ones take the order of the classes for their distance."""
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - heavy

    def on_sides(sides: Sides) -> Floats:
        n = sides.expected.sum(axis=1)
        chance = (sides.expected * sides.given).sum(axis=1) / n**2
        return np.asarray((sides.hits.sum(axis=1) / n - chance) / (1 - chance), dtype=np.float64)

    return lambda t, g, w: cohen_kappa_score(t, g, weights=weights, sample_weight=w), None if weights else on_sides


def called(reference: Reference, cells: Cells) -> float | None:
    """What the reference says of the cells; None where it says that there is no number."""
    labels = np.array(cells.labels)
    value = float(reference(labels[cells.truths], labels[cells.guesses], cells.counts))
    return value if np.isfinite(value) else None


def _cells_or_none(state: Confusion) -> Cells | Estimate:
    try:
        cells = state.cells()
    except TypeError:
        return undefined(N_("some classes are texts and some are numbers"))
    return cells if len(cells.labels) else undefined(N_("no row was scored"))


def _all(sides: Sides) -> tuple[Floats, Floats, Floats]:
    return sides.hits, sides.expected, sides.given


def _by_class(which: str, cells: Cells, beta: float, zero_division: float) -> Sequence[float]:
    from sklearn import metrics  # noqa: PLC0415 - heavy

    labels = np.array(cells.labels)
    truths, guesses = labels[cells.truths], labels[cells.guesses]
    options: dict[str, Any] = {"average": None, "sample_weight": cells.counts, "zero_division": zero_division}
    if which == "jaccard":
        found = metrics.jaccard_score(truths, guesses, **options)
    else:
        every = metrics.precision_recall_fscore_support(truths, guesses, beta=beta, **options)
        found = every[{"precision": 0, "recall": 1, "f": 2}[which]]
    values: list[float] = np.atleast_1d(found).tolist()
    return values


def _of_class(
    which: str, place: int, values: Sequence[float], whole: Sides, drawn: Sides | None, cells: Cells, request: Request,
    beta: float, suffix: str,
) -> Estimate:  # fmt: skip
    hits, expected, given = (int(side[0, place]) for side in _all(whole))
    value = values[place] if np.isfinite(values[place]) else None
    below = given if which == "precision" else expected
    found: tuple[float, float] | None = None
    method = f"{CLUSTERED}{BOOTSTRAP}" if cells.is_clustered else BOOTSTRAP
    if which in {"precision", "recall"} and not cells.is_clustered:
        found, method = wilson(hits, below, request.level), "wilson"
    elif drawn is not None:
        of_class = [side[:, place] for side in _all(drawn)]
        found = replicates.interval(
            lambda _: ratio(which, beta, np.nan, *of_class), np.ones((len(of_class[0]), 1)), request
        )
    return Estimate(
        value=value,
        interval=found,
        method=method,
        suffix=suffix,
        kind=MetricKind.PROPORTION if which in {"precision", "recall"} else None,
        details={"support": expected},
    )


def _counted(truth_map: Codes, guess_map: Codes, truths: Codes, guesses: Codes, groups: Codes | None) -> Tally:
    """Cells of a block: through one dense count where the classes are few, else through a sorted one."""
    wide = len(guess_map)
    size = len(truth_map) * wide
    if groups is None and size <= MAX_DENSE_CELLS:
        flat = np.bincount(truths * wide + guesses, minlength=size)
        there = np.flatnonzero(flat)
        cells = (np.zeros(len(there), dtype=np.int64), truth_map[there // wide], guess_map[there % wide])
        keys = np.column_stack(cells).astype(np.float64)
        return Tally.of(keys, flat[there])
    group_codes = np.zeros(len(truths), dtype=np.int64) if groups is None else groups
    cells = (group_codes, truth_map[truths], guess_map[guesses])
    return Tally.of(np.column_stack(cells).astype(np.float64))
