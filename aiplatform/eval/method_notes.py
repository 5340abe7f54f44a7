"""How a comparison was made, in sentences: tests, intervals, correction and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.eval import shown
from aiplatform.eval.model import CompareOptions, Correction, EvaluationRun, Message, MetricComparison, message

_METHODS: Final = {
    "mcnemar_exact": N_("McNemar's exact test where fewer than 25 pairs differ."),
    "mcnemar_chi2": N_("McNemar's chi-square test with Edwards' continuity correction where 25 pairs or more differ."),
    "tango": N_("Tango's score interval for differences of paired proportions."),
    "delong": N_("DeLong's paired test and interval for areas under the ROC curve."),
    "wilcoxon": N_("Wilcoxon's signed-rank test, zeros dropped."),
    "t": N_("Student's paired t test and interval."),
    "jackknife": N_("Delete-a-group jackknife of metrics of the whole corpus: 50 groups by row id, Student's t."),
    "clustered_t": N_("Student's t on clustered errors, C / (C - 1) for C clusters, C - 1 degrees of freedom."),
}
_CORRECTIONS: Final = {
    Correction.HOLM: N_("Holm's correction over versions times metrics: {versions} × {metrics}."),
    Correction.BENJAMINI_HOCHBERG: N_(
        "Benjamini and Hochberg's correction over versions times metrics: {versions} × {metrics}."
    ),
}


def notes(
    metrics: Sequence[MetricComparison],
    baseline: EvaluationRun,
    candidates: Sequence[EvaluationRun],
    options: CompareOptions,
) -> tuple[Message, ...]:
    """What a reader needs to trust the comparison, and to repeat it."""
    rows = [row for metric in metrics for row in metric.rows[1:]]
    used = {row.test for row in rows if row.p_raw is not None} | {row.interval for row in rows}
    said = [message(N_("Paired by row id."))]
    said += [message(text) for method, text in _METHODS.items() if method in used]
    if "bootstrap" in used:
        said.append(
            message(
                N_("{draws} Poisson bootstrap draws keyed by row id, seed {seed}."),
                draws=f"{options.draws:,}",
                seed=str(options.seed),
            )
        )
    said.append(
        message(
            _CORRECTIONS[options.correction],
            versions=str(len(candidates)),
            metrics=str(len(metrics)),
        )
    )
    said += [
        message(
            N_("{metric}: Cochran's Q over {versions} versions and {rows} rows is {q}, p {p}."),
            metric=metric.name,
            versions=str(metric.omnibus.freedom + 1),
            rows=f"{metric.omnibus.n:,}",
            q=shown.number(metric.omnibus.statistic),
            p=shown.p_relation(metric.omnibus.p),
        )
        for metric in metrics
        if metric.omnibus is not None
    ]
    said += _coverage((baseline, *candidates), metrics[0].name)
    if options.cluster:
        said.append(message(N_("Rows that share {column} count as one cluster."), column=options.cluster))
        if any(metric.kind == "auc" for metric in metrics):
            said.append(message(N_("Areas under the ROC curve do not account for clusters.")))
    said += [
        message(
            N_("{name} or the baseline lacks a score on {rows} rows: a missing case is not a passing case."),
            name=row.name,
            rows=f"{row.missing:,}",
        )
        for row in metrics[0].rows[1:]
        if row.missing
    ]
    return tuple(said)


def _coverage(runs: Sequence[EvaluationRun], name: str) -> list[Message]:
    """How much was scored; runs of the same counts share a sentence."""
    alike: dict[tuple[int, int], list[str]] = {}
    for run in runs:
        metric = run.metric(name)
        counts = (metric.scored, metric.failed) if metric else (0, 0)
        alike.setdefault(counts, []).append(run.name)
    return [
        message(
            N_("{names}: scored {scored} of {applicable}, {failed} failed."),
            names=tuple(names),
            scored=f"{scored:,}",
            applicable=f"{scored + failed:,}",
            failed=f"{failed:,}",
        )
        for (scored, failed), names in alike.items()
    ]
