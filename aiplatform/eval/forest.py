"""The lines of a forest plot: one version on one metric or slice, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.contrasts import Flags, Pairs, RunData, contrast, gains, join, restricted, sides, slice_values
from aiplatform.eval.corpus_contrasts import CORPUS
from aiplatform.eval.model import (
    CompareOptions,
    EvaluationRun,
    ForestRow,
    MetricComparison,
    MetricValue,
    Omnibus,
    SliceComparison,
    Status,
    Version,
)
from aiplatform.eval.statistics.families import adjusted, cochran_q, levels
from aiplatform.eval.statistics.paired import Contrast
from aiplatform.eval.statistics.power import detectable_difference, needed_rows

MAX_SLICES_OF_COLUMN: Final = 40
POWER: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A candidate joined with the baseline."""

    candidate: RunData
    version: Version
    pairs: Pairs
    clusters: tuple[str, ...] | None
    """What each joined row belongs to, where errors are clustered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    row: ForestRow
    contrast: Contrast
    lower_is_better: bool


def joined(baseline: RunData, candidate: RunData, version: Version, options: CompareOptions) -> Joined:
    """The candidate's rows beside the baseline's.

    Raises:
        InvalidError: Row ids repeat, there is no such column to cluster by, or a row of both has no value in it.
    """
    pairs = join(baseline.rows, candidate.rows)
    if not options.cluster:
        return Joined(candidate=candidate, version=version, pairs=pairs, clusters=None)
    if options.cluster not in baseline.rows.slices:
        raise InvalidError(
            N_("The runs have no column {column!r} to cluster by."),
            hint=N_("Name it under `slices` when you evaluate. There are: {known}."),
            reason="comparison.unknown_cluster",
            column=options.cluster,
            known=", ".join(baseline.rows.slices) or "—",
        )
    values = slice_values(baseline, options.cluster, pairs.baseline)
    shared = zip(pairs.ids, values, pairs.baseline.tolist(), pairs.candidate.tolist(), strict=True)
    lacking = [row_id for row_id, value, left, right in shared if value is None and left >= 0 and right >= 0]
    if lacking:
        raise InvalidError(
            N_("{count} rows have no value in {column!r}, so their cluster is not known; the first is {row_id!r}."),
            hint=N_("Give every row a value there, or compare without clusters."),
            reason="comparison.missing_cluster",
            count=len(lacking),
            column=options.cluster,
            row_id=lacking[0],
        )
    # Rows that only one of the two has are never compared, so what they would belong to does not matter.
    clusters = tuple(value or "" for value in values)
    return Joined(candidate=candidate, version=version, pairs=pairs, clusters=clusters)


def metric_comparisons(
    baseline: RunData, candidates: Sequence[Joined], names: Sequence[str], version: Version, options: CompareOptions
) -> tuple[MetricComparison, ...]:
    """Every metric of every candidate, corrected over all of them together; the first name is the primary one.

    Args:
        version: The baseline's.
    """
    metrics = [_metric_of(baseline.run, name) for name in names]
    lines = [_line(baseline, each, metric, options) for metric in metrics for each in candidates]
    settled = iter(_settled(lines, options))
    return tuple(
        MetricComparison(
            name=metric.name,
            kind=metric.kind,
            unit=metric.unit,
            lower_is_better=metric.lower_is_better,
            is_primary=place == 0,
            rows=(_own_row(version, metric, Status.BASELINE), *(next(settled) for _ in candidates)),
            omnibus=_omnibus(baseline, candidates, metric),
        )
        for place, metric in enumerate(metrics)
    )


def slice_comparisons(
    baseline: RunData, candidates: Sequence[Joined], name: str, options: CompareOptions
) -> tuple[SliceComparison, ...]:
    """The primary metric on every slice that all runs have, corrected over slices and candidates together."""
    metric = _metric_of(baseline.run, name)
    found: list[tuple[str, str, Joined]] = []
    lines: list[_Line] = []
    for column, value in _slices(baseline, candidates, options):
        for each in candidates:
            values = slice_values(baseline, column, each.pairs.baseline)
            mask = np.array([known == value for known in values], dtype=np.bool_)
            found.append((column, value, each))
            lines.append(_line(baseline, each, metric, options, mask, f"{column}={value}"))
    return tuple(
        SliceComparison(column=column, value=value, run_id=each.version.run_id, row=row)
        for (column, value, each), row in zip(found, _settled(lines, options), strict=True)
    )


def _omnibus(baseline: RunData, candidates: Sequence[Joined], metric: MetricValue) -> Omnibus | None:
    """Cochran's Q over the rows that every version scored with 0 or 1; None for two versions or clustered rows."""
    if len(candidates) < 2 or any(each.clusters is not None for each in candidates):
        return None
    columns: list[dict[str, float]] = []
    for each in candidates:
        both = sides(baseline, each.candidate, each.pairs, metric)
        if metric.measure in {"auc", CORPUS}:
            return None
        chosen = np.flatnonzero(both.both).tolist()
        if not columns:
            columns.append({each.pairs.ids[place]: float(both.baseline[place]) for place in chosen})
        columns.append({each.pairs.ids[place]: float(both.candidate[place]) for place in chosen})
    ids = [row_id for row_id in columns[0] if all(row_id in column for column in columns)]
    outcomes = np.array([[column[row_id] for column in columns] for row_id in ids], dtype=np.float64)
    if not len(ids) or not np.isin(outcomes, (0.0, 1.0)).all():
        return None
    return cochran_q(outcomes)


def _metric_of(run: EvaluationRun, name: str) -> MetricValue:
    return next(metric for metric in run.metrics if metric.name == name)


def _slices(baseline: RunData, candidates: Sequence[Joined], options: CompareOptions) -> list[tuple[str, str]]:
    shared = [
        column
        for column in options.slices or baseline.run.slices
        if column != options.cluster
        and all(column in data.rows.slices for data in (baseline, *(each.candidate for each in candidates)))
    ]
    found: list[tuple[str, str]] = []
    for column in shared:
        values = sorted({value for value in baseline.rows.slices[column] if value is not None})
        if len(values) <= MAX_SLICES_OF_COLUMN:
            found += [(column, value) for value in values]
    return found


def _line(
    baseline: RunData,
    each: Joined,
    metric: MetricValue,
    options: CompareOptions,
    mask: Flags | None = None,
    in_slice: str = "",
) -> _Line:
    whole = sides(baseline, each.candidate, each.pairs, metric)
    if mask is not None:
        places = np.flatnonzero(mask)
        whole = restricted(whole, mask)
    else:
        places = np.arange(len(each.pairs.ids))
    chosen = places[whole.both].tolist()
    clusters = [each.clusters[place] for place in chosen] if each.clusters is not None else None
    scored = restricted(whole, whole.both)
    found = contrast(scored, [each.pairs.ids[place] for place in chosen], metric, options, clusters)
    changes = gains(scored, metric)
    own = _own_row(each.version, _own_metric(each.candidate.run, metric.name, in_slice), Status.OPEN)
    row = replace(
        own,
        n=found.n,
        missing=whole.missing,
        difference=found.difference,
        difference_low=found.interval[0] if found.interval else None,
        difference_high=found.interval[1] if found.interval else None,
        interval=found.method if found.interval else "",
        p_raw=found.p,
        test=found.test,
        effects=found.effects,
        too_few=found.too_few,
        wins=int(np.count_nonzero(changes > 0)),
        losses=int(np.count_nonzero(changes < 0)),
        ties=int(np.count_nonzero(changes == 0)),
    )
    return _Line(row=row, contrast=found, lower_is_better=metric.lower_is_better)


def _own_metric(run: EvaluationRun, name: str, in_slice: str) -> MetricValue | None:
    if not in_slice:
        return run.metric(name)
    parts = [part for part in run.slice_metrics if part.label == in_slice]
    return next((metric for part in parts for metric in part.metrics if metric.name == name), None)


def _own_row(version: Version, metric: MetricValue | None, status: Status) -> ForestRow:
    return ForestRow(
        run_id=version.run_id,
        name=version.name,
        label=version.label,
        status=status,
        value=metric.value if metric else None,
        low=metric.low if metric else None,
        high=metric.high if metric else None,
        coverage=metric.coverage if metric else None,
        n=metric.n if metric else 0,
    )


def _settled(lines: Sequence[_Line], options: CompareOptions) -> list[ForestRow]:
    """The correction over all lines, and what follows from it."""
    alpha = 1 - options.level
    raw = [line.contrast.p for line in lines]
    corrected = adjusted(raw, options.correction)
    settled: list[ForestRow] = []
    for line, p, level in zip(lines, corrected, levels(raw, alpha, options.correction), strict=True):
        difference = line.contrast.difference
        status, needed, detectable = Status.OPEN, None, None
        if p is not None and p < alpha and difference and not line.contrast.too_few:
            status = Status.BETTER if (difference > 0) != line.lower_is_better else Status.WORSE
        elif p is not None:
            needed = needed_rows(line.contrast, alpha=level, power=POWER)
            detectable = detectable_difference(line.contrast, alpha=level, power=POWER)
        settled.append(
            replace(line.row, p_adjusted=p, p_holm=p, status=status, needed_rows=needed, detectable=detectable)
        )
    return settled
