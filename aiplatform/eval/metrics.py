"""Metrics as mergeable statistics: rows add to a state, states add to each other, and the sum gives the numbers.

Whole numbers and exact sums carry every state, so one block or thirteen, in any order, give the same metrics to the
last bit. A failed score is counted, never taken for zero; a score that does not apply is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.measures.measure import Measure, Request
from aiplatform.eval.measures.measured import Measured
from aiplatform.eval.model import MetricKind, MetricValue, RowResult, ScorerRef, ScoreState, SliceMetrics, Unit
from aiplatform.eval.statistics.exact import Floats, Moments
from aiplatform.eval.statistics.hashing import HASH_BITS, Keys, is_held_out, row_keys, rows_hash
from aiplatform.eval.statistics.intervals import (
    auc_interval,
    clustered_t_interval,
    quantile,
    quantile_interval,
    t_interval,
    wilson,
)
from aiplatform.eval.statistics.ranking import ScoreCounts

LATENCY_QUANTILES: Final = {"p50_latency": 0.5, "p95_latency": 0.95, "p99_latency": 0.99}
MEAN_LATENCY: Final = "mean_latency"
ERROR_RATE: Final = "error_rate"
ABSTENTION: Final = "abstention"
FALSE_ANSWERS: Final = "false_answer_rate"
FALSE_ABSTENTIONS: Final = "false_abstention_rate"
MAX_CHECKED_IDS: Final = 2_000_000
"""Rows up to which repeated ids are found while the run goes."""


def auc_name(scorer: str) -> str:
    """Name of the area under the ROC curve of a scorer's values."""
    return f"{scorer}_auc"


@dataclass(slots=True)
class ScorerState:
    """What one scorer's values come to."""

    failed: int = 0
    not_applicable: int = 0
    moments: Moments = field(default_factory=Moments)
    clusters: dict[str, Moments] = field(default_factory=dict)
    halves: dict[bool, ScoreCounts] = field(default_factory=lambda: {False: ScoreCounts(), True: ScoreCounts()})
    """Values against their labels, where they have any; True holds the half that thresholds are chosen on."""

    def add(self, rows: Sequence[tuple[RowResult, int]], cluster: str) -> None:
        """Take in the scores at the given places of rows."""
        scored: list[tuple[str, float, bool | None, str]] = []
        for row, place in rows:
            score = row.scores[place]
            if score.state is ScoreState.FAILED:
                self.failed += 1
            elif score.state is ScoreState.NOT_APPLICABLE or score.value is None:
                self.not_applicable += 1
            else:
                scored.append((row.row_id, score.value, score.label, _cluster_of(row, cluster)))
        values = np.array([value for _, value, _, _ in scored], dtype=np.float64)
        self.moments.add(values)
        if cluster:
            self._add_clusters(values, [name for _, _, _, name in scored])
        labelled = [(row_id, value, label) for row_id, value, label, _ in scored if label is not None]
        for half in (False, True) if labelled else ():
            these = [(value, label) for row_id, value, label in labelled if is_held_out(row_id) is half]
            scores = np.array([value for value, _ in these], dtype=np.float64)
            self.halves[half].add(scores, np.array([label for _, label in these], dtype=np.bool_))

    def merge(self, other: ScorerState) -> None:
        """Take in what another state holds."""
        self.failed += other.failed
        self.not_applicable += other.not_applicable
        self.moments.merge(other.moments)
        for name, moments in other.clusters.items():
            self.clusters.setdefault(name, Moments()).merge(moments)
        for half, counts in other.halves.items():
            self.halves[half].merge(counts)

    @property
    def threshold(self) -> float | None:
        """From which confidence on to answer, as the held-out half says."""
        return self.halves[True].best_threshold()

    def metrics(self, ref: ScorerRef, level: float, threshold: float | None) -> Iterator[MetricValue]:
        """The numbers: areas and rates where the values have labels, else their mean.

        Args:
            threshold: From which confidence on to answer: the whole run's, in slices too.
        """
        scorer, counts = ref.name, ScoreCounts()
        for half in self.halves.values():
            counts.merge(half)
        if counts.counts:
            yield self._area(scorer, counts, level)
            if scorer == ABSTENTION:
                yield from self._rates(scorer, level, threshold)
            return
        is_proportion = self.moments.is_binary and self.moments.n > 0 and ref.kind is not MetricKind.MEAN
        kind = MetricKind.PROPORTION if is_proportion else MetricKind.MEAN
        if self.clusters:
            interval, method = clustered_t_interval(self.clusters, level), "clustered_t"
        elif kind is MetricKind.PROPORTION:
            interval, method = wilson(self.moments.ones, self.moments.n, level), "wilson"
        else:
            interval, method = t_interval(self.moments, level), "t"
        yield MetricValue(
            name=scorer,
            kind=kind,
            value=self.moments.mean,
            low=interval[0] if interval else None,
            high=interval[1] if interval else None,
            n=self.moments.n,
            scored=self.moments.n,
            failed=self.failed,
            not_applicable=self.not_applicable,
            interval=method if interval else "",
            level=level,
            lower_is_better=ref.lower_is_better,
            scorer=scorer,
            details={"clusters": len(self.clusters)} if self.clusters else {},
        )

    def _add_clusters(self, values: Floats, names: list[str]) -> None:
        labels = np.array(names, dtype=object)
        for name in dict.fromkeys(names):
            self.clusters.setdefault(name, Moments()).add(values[labels == name])

    def _area(self, scorer: str, counts: ScoreCounts, level: float) -> MetricValue:
        found = auc_interval(counts, level)
        (low, high), method = found if found else ((None, None), "")
        positives, negatives = counts.positives, counts.negatives
        return MetricValue(
            name=auc_name(scorer),
            kind=MetricKind.AUC,
            measure="auc",
            value=counts.auc,
            low=low,
            high=high,
            n=positives + negatives,
            scored=self.moments.n,
            failed=self.failed,
            not_applicable=self.not_applicable,
            interval=method,
            level=level,
            scorer=scorer,
            details={"positives": positives, "negatives": negatives},
        )

    def _rates(self, scorer: str, level: float, threshold: float | None) -> Iterator[MetricValue]:
        negatives, positives = self.halves[False].negatives, self.halves[False].positives
        false_yes, true_yes = self.halves[False].at_least(threshold) if threshold is not None else (0, 0)
        for name, measure, wrong, n in (
            (FALSE_ANSWERS, "false_answers", false_yes, negatives),
            (FALSE_ABSTENTIONS, "false_abstentions", positives - true_yes, positives),
        ):
            known = threshold is not None and n > 0
            interval = wilson(wrong, n, level) if known else None
            yield MetricValue(
                name=name,
                kind=MetricKind.PROPORTION,
                measure=measure,
                value=wrong / n if known else None,
                low=interval[0] if interval else None,
                high=interval[1] if interval else None,
                n=n if known else 0,
                scored=self.moments.n,
                failed=self.failed,
                not_applicable=self.not_applicable,
                interval="wilson" if interval else "",
                level=level,
                lower_is_better=True,
                scorer=scorer,
                details={} if threshold is None else {"threshold": threshold},
            )


@dataclass(slots=True)
class CallState:
    """How the model's calls went: how long they took, and how many failed."""

    rows: int = 0
    errors: int = 0
    microseconds: dict[int, int] = field(default_factory=dict)
    """How often each duration occurred."""

    def add(self, rows: Iterable[RowResult]) -> None:
        """Take in rows."""
        for row in rows:
            self.rows += 1
            self.errors += bool(row.error)
            if row.latency_ms is not None and not row.error:
                duration = round(row.latency_ms * 1000)
                self.microseconds[duration] = self.microseconds.get(duration, 0) + 1

    def add_columns(self, is_missing: npt.NDArray[np.bool_], latencies: Floats) -> None:
        """Take in rows by their columns: where there is no output, and how long calls took."""
        self.rows += len(is_missing)
        self.errors += int(is_missing.sum())
        timed = latencies[~is_missing & ~np.isnan(latencies)]
        durations, counts = np.unique(np.round(timed * 1000).astype(np.int64), return_counts=True)
        for duration, count in zip(durations.tolist(), counts.tolist(), strict=True):
            self.microseconds[duration] = self.microseconds.get(duration, 0) + count

    def merge(self, other: CallState) -> None:
        """Take in what another state holds."""
        self.rows += other.rows
        self.errors += other.errors
        for duration, count in other.microseconds.items():
            self.microseconds[duration] = self.microseconds.get(duration, 0) + count

    def metrics(self, level: float) -> Iterator[MetricValue]:
        """Quantiles and mean of the latency, where calls were timed, and the share of calls that failed."""
        if self.microseconds:
            yield from self._latencies(level)
        if self.errors or self.microseconds:
            interval = wilson(self.errors, self.rows, level)
            yield MetricValue(
                name=ERROR_RATE,
                kind=MetricKind.PROPORTION,
                measure="errors",
                value=self.errors / self.rows,
                low=interval[0] if interval else None,
                high=interval[1] if interval else None,
                n=self.rows,
                scored=self.rows,
                interval="wilson",
                level=level,
                lower_is_better=True,
            )

    def _latencies(self, level: float) -> Iterator[MetricValue]:
        durations = np.array(sorted(self.microseconds), dtype=np.float64)
        counts = np.array([self.microseconds[int(each)] for each in durations], dtype=np.int64)
        ordered: npt.NDArray[np.float64] = np.repeat(durations / 1000.0, counts)
        moments = Moments()
        moments.add(ordered)
        found = [
            (name, MetricKind.QUANTILE, f"latency_{name.split('_')[0]}", quantile(ordered, share),
             quantile_interval(ordered, share, level), "order_statistics")
            for name, share in LATENCY_QUANTILES.items()
        ]  # fmt: skip
        found.append((MEAN_LATENCY, MetricKind.MEAN, "latency_mean", moments.mean, t_interval(moments, level), "t"))
        for name, kind, measure, value, interval, method in found:
            yield MetricValue(
                name=name,
                kind=kind,
                measure=measure,
                value=value,
                low=interval[0] if interval else None,
                high=interval[1] if interval else None,
                n=len(ordered),
                scored=len(ordered),
                failed=self.errors,
                interval=method if interval else "",
                level=level,
                unit=Unit.MILLISECONDS,
                lower_is_better=True,
            )


@dataclass(slots=True)
class DistinctKeys:
    """Keys of row ids, kept until they are too many, to find ids that repeat."""

    num_rows: int = 0
    parts: list[Keys] = field(default_factory=list)

    def add(self, keys: Keys) -> None:
        """Take in the keys of a block."""
        self.merge(DistinctKeys(len(keys), [keys]))

    def merge(self, other: DistinctKeys) -> None:
        """Take in what another one holds."""
        self.num_rows += other.num_rows
        self.parts = [*self.parts, *other.parts] if self.num_rows <= MAX_CHECKED_IDS else []

    @property
    def repeated(self) -> int:
        """Rows whose id another row has; 0 where there are too many to tell."""
        if not self.parts or self.num_rows > MAX_CHECKED_IDS:
            return 0
        return self.num_rows - len(np.unique(np.concatenate(self.parts)))


@dataclass(slots=True)
class RunState:
    """Everything that the metrics of a run follow from. Made per block, merged in any order."""

    cluster: str = ""
    """Column whose equal values belong together."""

    scorers: dict[str, ScorerState] = field(default_factory=dict)
    slices: dict[tuple[str, str], dict[str, ScorerState]] = field(default_factory=dict)
    slice_rows: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: CallState = field(default_factory=CallState)
    measured: Measured = field(default_factory=Measured)
    """What metrics that reference implementations define have collected."""

    rows_hash: int = 0
    id_keys: DistinctKeys = field(default_factory=DistinctKeys)

    def add(self, rows: Sequence[RowResult], sliced_by: Sequence[str] = ()) -> None:
        """Take in rows.

        Args:
            sliced_by: Columns whose values make slices.
        """
        self.calls.add(rows)
        self.rows_hash = (self.rows_hash + rows_hash((r.row_id, r.input, r.expected) for r in rows)) % (1 << HASH_BITS)
        self.id_keys.add(row_keys([row.row_id for row in rows]))
        self._add_scores(self.scorers, rows)
        for column in sliced_by:
            for value in sorted({row.slices[column] for row in rows if column in row.slices}):
                these = [row for row in rows if row.slices.get(column) == value]
                self._add_scores(self.slices.setdefault((column, value), {}), these)
                self.slice_rows[column, value] = self.slice_rows.get((column, value), 0) + len(these)

    def merge(self, other: RunState) -> None:
        """Take in what another state holds."""
        self.calls.merge(other.calls)
        self.rows_hash = (self.rows_hash + other.rows_hash) % (1 << HASH_BITS)
        self.id_keys.merge(other.id_keys)
        self.measured.merge(other.measured)
        _merge_scorers(self.scorers, other.scorers)
        for key, states in other.slices.items():
            _merge_scorers(self.slices.setdefault(key, {}), states)
            self.slice_rows[key] = self.slice_rows.get(key, 0) + other.slice_rows[key]

    @property
    def repeated_ids(self) -> int:
        """Rows whose id another row has; 0 where there are too many rows to tell."""
        return self.id_keys.repeated

    @property
    def rows_digest(self) -> str:
        """The hash of all rows, as text."""
        return f"{self.rows_hash:064x}"

    def metrics(
        self,
        scorers: Sequence[ScorerRef],
        level: float = 0.95,
        measures: Sequence[Measure] = (),
        seed: int = 0,
    ) -> tuple[MetricValue, ...]:
        """The run's metrics: the scorers' and the measures' in the given order, then latency and errors."""
        return (
            *self._of_scorers(self.scorers, scorers, level),
            *self.measured.metrics(measures, Request(level=level, seed=seed, cluster=self.cluster)),
            *self.calls.metrics(level),
        )

    def slice_metrics(
        self,
        scorers: Sequence[ScorerRef],
        level: float = 0.95,
        measures: Sequence[Measure] = (),
        seed: int = 0,
    ) -> tuple[SliceMetrics, ...]:
        """The metrics of every slice, by column and value."""
        request = Request(level=level, seed=seed, cluster=self.cluster)
        parts = self.measured.slices
        return tuple(
            SliceMetrics(
                column=column,
                value=value,
                num_rows=parts[column, value].num_rows if measures else self.slice_rows[column, value],
                metrics=(
                    *self._of_scorers(self.slices.get((column, value), {}), scorers, level),
                    *(parts[column, value].metrics(measures, request) if measures else ()),
                ),
            )
            for column, value in sorted({*self.slices, *parts})
        )

    def _of_scorers(
        self, states: dict[str, ScorerState], scorers: Sequence[ScorerRef], level: float
    ) -> Iterator[MetricValue]:
        for ref in scorers:
            if ref.name in states:
                yield from states[ref.name].metrics(ref, level, self.scorers[ref.name].threshold)

    def _add_scores(self, states: dict[str, ScorerState], rows: Sequence[RowResult]) -> None:
        by_name: dict[str, list[tuple[RowResult, int]]] = {}
        for row in rows:
            for place, score in enumerate(row.scores):
                by_name.setdefault(score.name, []).append((row, place))
        for name, found in by_name.items():
            states.setdefault(name, ScorerState()).add(found, self.cluster)


def _cluster_of(row: RowResult, cluster: str) -> str:
    """What the row belongs to; empty where nothing is clustered.

    Raises:
        InvalidError: The row has no value in that column: a cluster of its own would be a guess.
    """
    if not cluster:
        return ""
    if cluster not in row.slices:
        raise InvalidError(
            N_("Row {row_id!r} has no value in {column!r}, so its cluster is not known."),
            hint=N_("Give every row a value there, or evaluate without clusters."),
            reason="evaluation.missing_cluster",
            row_id=row.row_id,
            column=cluster,
        )
    return row.slices[cluster]


def _merge_scorers(into: dict[str, ScorerState], other: dict[str, ScorerState]) -> None:
    for name, state in other.items():
        into.setdefault(name, ScorerState()).merge(state)
