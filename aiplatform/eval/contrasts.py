"""Two runs joined by row id, metric by metric: which rows both scored, how they differ, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.corpus_contrasts import CORPUS, Answers, PairedAnswers, compare_answers, measure_of
from aiplatform.eval.metrics import LATENCY_QUANTILES
from aiplatform.eval.model import Change, CompareOptions, EvaluationRun, MetricValue, ScoreState
from aiplatform.eval.statistics.bootstrap import percentile_interval, replicate, two_sided_p
from aiplatform.eval.statistics.corpus import RowParts, compare_corpus
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import is_held_out, row_keys
from aiplatform.eval.statistics.paired import (
    FEWEST_PAIRS,
    Contrast,
    compare_areas,
    compare_clustered,
    compare_means,
    compare_proportions,
)

STATE_CODES: Final = {ScoreState.SCORED: 0, ScoreState.FAILED: 1, ScoreState.NOT_APPLICABLE: 2}
NO_LABEL: Final = -1

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreColumn:
    """One scorer's scores over all rows of a run."""

    values: Floats
    """NaN where nothing was scored."""

    states: Codes
    labels: Codes
    """1, 0, or -1 where a score has no label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """What comparison needs of a run's rows: no text."""

    ids: Sequence[str]
    scores: Mapping[str, ScoreColumn]
    slices: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    latencies: Floats
    """Milliseconds; NaN where the call was not timed."""

    errors: Flags
    parts: Mapping[str, RowParts] = field(default_factory=dict)
    """By name of metric: what rows add to metrics of the whole corpus."""

    answers: Answers | None = None
    """Of a run that has metrics of the whole corpus, unless it is very large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """A run with its rows."""

    run: EvaluationRun
    rows: RunRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Rows of two runs joined by id, in the order of the ids; -1 where a run has no such row."""

    ids: tuple[str, ...]
    baseline: Indices
    candidate: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedParts:
    """What joined rows add to a corpus metric under either version, each of shape (rows, columns)."""

    baseline: Floats
    candidate: Floats
    of: Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """One metric's values of joined rows, NaN where a side has none."""

    baseline: Floats
    candidate: Floats
    applies: Flags
    """Whether the metric applies to the row under at least one of the two, failures included."""

    truths: Codes
    """Labels, for areas; -1 elsewhere."""

    parts: PairedParts | None = None
    """What rows add to a metric of the whole corpus; None where rows have values of their own."""

    answers: PairedAnswers | None = None
    """Of a metric of the whole corpus that is computed anew from the answers."""

    @property
    def both(self) -> Flags:
        """Rows that both versions scored."""
        return np.asarray(~np.isnan(self.baseline) & ~np.isnan(self.candidate), dtype=np.bool_)

    @property
    def missing(self) -> int:
        """Rows that apply and lack a score on one side or on both."""
        return int(np.count_nonzero(self.applies & ~self.both))


def join(baseline: RunRows, candidate: RunRows) -> Pairs:
    """The rows of both, by id.

    Raises:
        InvalidError: An id occurs twice in one of them, so that pairs are not defined.
    """
    places = [_places(rows.ids) for rows in (baseline, candidate)]
    ids = tuple(sorted(places[0].keys() | places[1].keys()))
    found = [np.fromiter((known.get(row_id, -1) for row_id in ids), np.int64, len(ids)) for known in places]
    return Pairs(ids=ids, baseline=found[0], candidate=found[1])


def sides(baseline: RunData, candidate: RunData, pairs: Pairs, metric: MetricValue) -> Sides:
    """One metric of both, row by row."""
    left, left_applies = measured(baseline, metric)
    right, right_applies = measured(candidate, metric)
    values = _taken(left, pairs.baseline), _taken(right, pairs.candidate)
    applies = _flags(left_applies, pairs.baseline) | _flags(right_applies, pairs.candidate)
    truths = np.full(len(pairs.ids), NO_LABEL, dtype=np.int8)
    column = baseline.rows.scores.get(metric.scorer)
    if column is not None:
        there = pairs.baseline >= 0
        truths[there] = column.labels[pairs.baseline[there]]
    return Sides(
        baseline=values[0],
        candidate=values[1],
        applies=applies,
        truths=truths,
        parts=_paired_parts(baseline.rows, candidate.rows, pairs, metric.name),
        answers=_paired_answers(baseline, candidate, pairs, metric),
    )


def contrast(
    both: Sides, ids: Sequence[str], metric: MetricValue, options: CompareOptions, clusters: Sequence[str] | None = None
) -> Contrast:
    """How the two differ on rows that both scored, by the method that suits the metric.

    Args:
        both: Restricted to those rows.
        ids: Of the rows.
        clusters: What the rows belong to, where they depend on each other.
    """
    left, right = both.baseline, both.candidate
    if metric.measure == "auc":
        return compare_areas(left, right, both.truths == 1, options.level)
    keys = row_keys(clusters if clusters is not None else ids, options.seed)
    if both.parts is not None:
        parts, level, draws = both.parts, options.level, options.draws
        return compare_corpus(parts.baseline, parts.candidate, parts.of, keys, level=level, num_draws=draws)
    if both.answers is not None:
        return compare_answers(both.answers, keys, options.level)
    if metric.name in LATENCY_QUANTILES:
        share = LATENCY_QUANTILES[metric.name]
        replicates, _ = replicate(keys, (left, right), options.draws, partial(_quantile_difference, share=share))
        difference = float(np.quantile(right, share) - np.quantile(left, share)) if len(left) else None
        return Contrast(
            n=len(left),
            difference=difference,
            interval=percentile_interval(replicates, options.level),
            method="bootstrap",
            p=two_sided_p(replicates) if len(replicates) and len(left) > 1 else None,
            test="bootstrap",
            error=float(replicates.std()) if len(replicates) else None,
            too_few=len(left) < FEWEST_PAIRS,
        )
    if clusters is not None:
        return compare_clustered(left, right, clusters, options.level)
    if len(left) and np.isin(left, (0.0, 1.0)).all() and np.isin(right, (0.0, 1.0)).all():
        return compare_proportions(left, right, options.level)
    return compare_means(left, right, keys, level=options.level, num_draws=options.draws, test=options.test)


def restricted(whole: Sides, mask: Flags) -> Sides:
    """The rows where the mask holds."""
    parts = whole.parts
    return Sides(
        baseline=whole.baseline[mask],
        candidate=whole.candidate[mask],
        applies=whole.applies[mask],
        truths=whole.truths[mask],
        parts=replace(parts, baseline=parts.baseline[mask], candidate=parts.candidate[mask]) if parts else None,
        answers=whole.answers.restricted(mask) if whole.answers is not None else None,
    )


def gains(both: Sides, metric: MetricValue) -> Floats:
    """By how much each row is better under the candidate: negative where worse, NaN where a side has no score."""
    change = both.candidate - both.baseline
    if metric.measure == "auc":
        return np.where(both.truths == 1, change, -change)
    return -change if metric.lower_is_better else change


def change_of(gain: float) -> Change:
    """The word for a row's gain."""
    if np.isnan(gain):
        return Change.MISSING
    return Change.SAME if gain == 0 else Change.BETTER if gain > 0 else Change.WORSE


def slice_values(data: RunData, column: str, indices: Indices) -> list[str | None]:
    """The column's value of joined rows."""
    known = data.rows.slices.get(column)
    return [known[place] if known is not None and place >= 0 else None for place in indices.tolist()]


def _places(ids: Sequence[str]) -> dict[str, int]:
    places = {row_id: place for place, row_id in enumerate(ids)}
    if len(places) < len(ids):
        seen: set[str] = set()
        repeated = next(row_id for row_id in ids if row_id in seen or seen.add(row_id))  # type: ignore[func-returns-value]
        raise InvalidError(
            N_("Row id {row_id!r} occurs more than once, so rows cannot be paired."),
            hint=N_("Give every row an id of its own and evaluate again."),
            reason="comparison.repeated_rows",
            row_id=repeated,
        )
    return places


def measured(data: RunData, metric: MetricValue) -> tuple[Floats, Flags]:
    """The metric's value of every row, NaN where it has none, and whether it applies there."""
    rows = data.rows
    if metric.measure == "errors":
        return rows.errors.astype(np.float64), np.ones(len(rows.ids), dtype=np.bool_)
    if metric.measure.startswith("latency"):
        values = np.where(rows.errors, np.nan, rows.latencies)
        return values, np.asarray(~np.isnan(rows.latencies) | rows.errors, dtype=np.bool_)
    if metric.name in rows.parts:
        values = rows.parts[metric.name].row_values()
        return values, _applies(rows, metric.scorer) | ~np.isnan(values)
    if metric.measure == CORPUS and rows.answers is not None:
        expects = np.array([value is not None for value in rows.answers.expected], dtype=np.bool_)
        came = np.array([value is not None for value in rows.answers.output], dtype=np.bool_) & ~rows.errors
        # No row has a value of its own: 0 says that it counts.
        return np.where(expects & came, 0.0, np.nan), expects
    column = rows.scores.get(metric.scorer)
    if column is None:
        return np.full(len(rows.ids), np.nan), np.zeros(len(rows.ids), dtype=np.bool_)
    values = np.where(column.states == STATE_CODES[ScoreState.SCORED], column.values, np.nan)
    applies = _applies(rows, metric.scorer)
    if metric.measure == "auc":
        return np.where(column.labels == NO_LABEL, np.nan, values), applies
    if metric.measure not in {"false_answers", "false_abstentions"}:
        return values, applies
    wanted = 0 if metric.measure == "false_answers" else 1
    judged = np.array([not is_held_out(row_id) for row_id in rows.ids], dtype=np.bool_)
    applies = applies & judged & ((column.labels == wanted) | np.isnan(values))
    own = data.run.metric(metric.name)
    threshold = own.details.get("threshold") if own is not None else None
    if threshold is None:
        return np.full(len(rows.ids), np.nan), applies
    wrong = values >= threshold if metric.measure == "false_answers" else values < threshold
    counted = judged & (column.labels == wanted) & ~np.isnan(values)
    return np.where(counted, wrong.astype(np.float64), np.nan), applies


def _applies(rows: RunRows, scorer: str) -> Flags:
    column = rows.scores.get(scorer)
    if column is None:
        return np.zeros(len(rows.ids), dtype=np.bool_)
    return np.asarray(column.states != STATE_CODES[ScoreState.NOT_APPLICABLE], dtype=np.bool_)


def _paired_answers(baseline: RunData, candidate: RunData, pairs: Pairs, metric: MetricValue) -> PairedAnswers | None:
    left, right = baseline.rows.answers, candidate.rows.answers
    if metric.measure != CORPUS or metric.name in baseline.rows.parts or left is None or right is None:
        return None
    measure = measure_of(baseline.run, metric.name)
    if measure is None:
        return None
    return PairedAnswers(
        measure=measure,
        metric=metric.name,
        baseline=left.taken(pairs.baseline),
        candidate=right.taken(pairs.candidate),
    )


def _paired_parts(baseline: RunRows, candidate: RunRows, pairs: Pairs, name: str) -> PairedParts | None:
    left, right = baseline.parts.get(name), candidate.parts.get(name)
    if left is None or right is None:
        return None
    return PairedParts(
        baseline=np.stack([_taken(column, pairs.baseline) for column in left.sums.T], axis=1),
        candidate=np.stack([_taken(column, pairs.candidate) for column in right.sums.T], axis=1),
        of=left.of,
    )


def _taken(values: Floats, indices: Indices) -> Floats:
    taken = np.full(len(indices), np.nan)
    there = indices >= 0
    taken[there] = values[indices[there]]
    return taken


def _flags(flags: Flags, indices: Indices) -> Flags:
    taken = np.zeros(len(indices), dtype=np.bool_)
    there = indices >= 0
    taken[there] = flags[indices[there]]
    return taken


def _quantile_difference(weights: Floats, left: Floats, right: Floats, *, share: float) -> Floats:
    return _weighted_quantile(weights, right, share) - _weighted_quantile(weights, left, share)


def _weighted_quantile(weights: Floats, values: Floats, share: float) -> Floats:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[:, order], axis=1)
    reached = (cumulative < share * cumulative[:, -1:]).sum(axis=1)
    return np.asarray(values[order][np.minimum(reached, len(values) - 1)], dtype=np.float64)
