"""Runs against a baseline: from joined rows to a comparison with its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval import basis, forest, gates
from aiplatform.eval.basis import check_completed, check_same_basis
from aiplatform.eval.contrasts import RunData, change_of, gains, join, sides
from aiplatform.eval.gate_language import parse_gate
from aiplatform.eval.gate_nodes import Gate
from aiplatform.eval.method_notes import notes
from aiplatform.eval.model import (
    Calibration,
    Change,
    CompareOptions,
    Comparison,
    EvaluationRun,
    MetricValue,
    RowCounts,
    Version,
)
from aiplatform.eval.verdict import verdict

MAX_CANDIDATES: Final = 10

Calibrations = Mapping[str, Mapping[str, Calibration]]


def check_comparable(baseline: EvaluationRun, candidates: Sequence[EvaluationRun], options: CompareOptions) -> None:
    """Nothing, where the runs can be compared.

    Raises:
        InvalidError: There is none or too many to compare with, one is the baseline itself, or two are the same.
        ConflictError: One has not completed, or they rest on different rows, scorers or judges and `force` is off.
        NotFoundError: The baseline lacks a metric that was asked for.
    """
    ids = [run.run_id for run in candidates]
    if not ids or len(ids) > MAX_CANDIDATES:
        raise InvalidError(
            N_("A baseline is compared with 1 to {limit} runs; {given} were given."),
            reason="comparison.candidates",
            limit=MAX_CANDIDATES,
            given=len(ids),
        )
    if len({*ids, baseline.run_id}) < len(ids) + 1:
        raise InvalidError(N_("A run cannot be compared with itself, nor given twice."), reason="comparison.same_run")
    check_completed((baseline, *candidates))
    gate = parse_gate(options.gate) if options.gate.strip() else None
    for run in () if options.force else candidates:
        check_same_basis(baseline, run, metric_names(baseline, options, gate))


def metric_names(baseline: EvaluationRun, options: CompareOptions, gate: Gate | None) -> tuple[str, ...]:
    """The metrics to compare: the primary one first, then those asked for, then those that the gate compares.

    Raises:
        NotFoundError: The baseline has no such metric.
    """
    primary = options.on or (baseline.primary_metric.name if baseline.primary_metric else "")
    asked = dict.fromkeys((primary, *options.metrics))
    for name in asked:
        if baseline.metric(name) is None:
            raise NotFoundError(
                N_("Evaluation run {run_id!r} has no metric {name!r}."),
                hint=N_("It has: {known}."),
                reason="comparison.unknown_metric",
                run_id=baseline.run_id,
                name=name,
                known=", ".join(metric.name for metric in baseline.metrics) or "—",
            )
    compared = gate.compared_metrics if gate else ()
    return tuple(dict.fromkeys((*asked, *(name for name in compared if baseline.metric(name)))))


def compare(
    baseline: RunData,
    candidates: Sequence[RunData],
    options: CompareOptions,
    *,
    comparison_id: str,
    calibrations: Calibrations | None = None,
    name: str = "",
    created_by: str = "",
    created_ns: int = 0,
) -> Comparison:
    """The whole comparison.

    Args:
        baseline: What the others are compared with.
        candidates: Runs on the same rows.
        options: How to compare.
        comparison_id: Its id.
        calibrations: By run, then by judge: how well those that the gate asks for agree with people.
        name: What people call it.
        created_by: Who asked for it.
        created_ns: When.

    Raises:
        InvalidError: The gate cannot be understood, or row ids repeat.
        NotFoundError: The baseline lacks a metric that was asked for.
        ConflictError: The runs are not comparable.
    """
    check_comparable(baseline.run, [each.run for each in candidates], options)
    gate = parse_gate(options.gate) if options.gate.strip() else None
    names = metric_names(baseline.run, options, gate)
    options = replace(options, on=names[0], metrics=names[1:], cluster=options.cluster or baseline.run.cluster)
    marked = basis.marks(baseline.run, [each.run for each in candidates], names)
    versions = _versions([baseline, *candidates])
    joined = [
        forest.joined(baseline, each, version, options) for each, version in zip(candidates, versions[1:], strict=True)
    ]
    metrics = forest.metric_comparisons(baseline, joined, names, versions[0], options)
    slices = forest.slice_comparisons(baseline, joined, names[0], options)
    results = tuple(
        gates.check(
            gate,
            gates.facts_of(each.run, metrics, (calibrations or {}).get(each.run.run_id)),
            run_id=each.run.run_id,
            name=version.name,
        )
        for each, version in zip(candidates if gate else (), versions[1:] if gate else (), strict=True)
        if gate
    )
    return Comparison(
        comparison_id=comparison_id,
        project_id=baseline.run.project_id,
        data=baseline.run.data,
        versions=versions,
        metrics=metrics,
        slices=slices,
        gates=results,
        counts=tuple(_counts(baseline, each, names[0]) for each in candidates),
        verdict=verdict(metrics[0], slices, results, baseline.run.data, correction=options.correction, marks=marked),
        notes=notes(metrics, baseline.run, [each.run for each in candidates], options),
        options=options,
        name=name,
        created_by=created_by,
        created_ns=created_ns,
    )


def row_gains(baseline: RunData, candidate: RunData, metric: MetricValue) -> list[tuple[str, Change, float]]:
    """Every row that the metric applies to, with its change: regressions first, the largest of each first."""
    pairs = join(baseline.rows, candidate.rows)
    both = sides(baseline, candidate, pairs, metric)
    found = [
        (row_id, change_of(gain), 0.0 if np.isnan(gain) else abs(gain))
        for row_id, gain, applies in zip(pairs.ids, gains(both, metric).tolist(), both.applies.tolist(), strict=True)
        if applies
    ]
    order = {Change.WORSE: 0, Change.BETTER: 1, Change.MISSING: 2, Change.SAME: 3}
    return sorted(found, key=lambda row: (order[row[1]], -row[2], row[0]))


def count_changes(run_id: str, changes: Sequence[Change]) -> RowCounts:
    """How many rows changed which way."""
    return RowCounts(
        run_id=run_id,
        worse=changes.count(Change.WORSE),
        better=changes.count(Change.BETTER),
        same=changes.count(Change.SAME),
        missing=changes.count(Change.MISSING),
    )


def _counts(baseline: RunData, candidate: RunData, name: str) -> RowCounts:
    metric = baseline.run.metric(name)
    changes = [change for _, change, _ in row_gains(baseline, candidate, metric)] if metric else []
    return count_changes(candidate.run.run_id, changes)


def _versions(all_data: Sequence[RunData]) -> tuple[Version, ...]:
    names = [data.run.name for data in all_data]
    return tuple(
        Version(
            run_id=data.run.run_id,
            name=data.run.name if names.count(data.run.name) == 1 else f"{data.run.name} ({data.run.run_id[-6:]})",
            label=data.run.label,
            is_baseline=place == 0,
            error_rows=data.run.error_rows,
            num_rows=len(data.rows.ids),
        )
        for place, data in enumerate(all_data)
    )
