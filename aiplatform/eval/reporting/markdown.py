"""A report as Markdown, for the summary of a pipeline or a comment on a change: the verdict, figures, gates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from aiplatform.core.i18n import DEFAULT_LOCALE, N_, translate
from aiplatform.eval import shown
from aiplatform.eval.model import (
    OUTCOME_NAMES,
    STATUS_NAMES,
    Comparison,
    EvaluationRun,
    ForestRow,
    GateResult,
    MetricComparison,
    Outcome,
    Status,
)
from aiplatform.eval.reporting.content import ComparisonReport, Report

_MARKS: Final = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.UNKNOWN: "❔"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#!|~$@])")


def markdown(report: Report, *, locale: str = DEFAULT_LOCALE) -> str:
    """The report in brief, in GitHub's Markdown. Nothing in it is read as markup that a row or a name brought along."""
    if isinstance(report, ComparisonReport):
        return comparison_markdown(report.comparison, locale=locale)
    return run_markdown(report.run, report.gates, locale=locale)


def comparison_markdown(comparison: Comparison, *, locale: str = DEFAULT_LOCALE) -> str:
    """A comparison in brief."""
    parts = [
        f"## {_plain(comparison.verdict.headline_text(locale))}",
        _plain(comparison.verdict.details_text(locale)),
        *(_metric_table(comparison, metric, locale) for metric in comparison.metrics),
        *gate_sections(comparison.gates, locale),
        *(f"<sub>{_plain(note.localized(locale))}</sub>" for note in comparison.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def run_markdown(run: EvaluationRun, gates: Sequence[GateResult] = (), *, locale: str = DEFAULT_LOCALE) -> str:
    """A run in brief."""
    heads = [translate(text, locale) for text in (N_("Metric"), N_("Value"), N_("n"), N_("Coverage"))]
    rows = [
        (metric.name, shown.metric(metric), f"{metric.n:,}", f"{metric.scored:,}/{metric.scored + metric.failed:,}")
        for metric in run.metrics
    ]
    parts = [f"## {_plain(run.name)} · {_plain(run.data.label)}", _table(heads, rows), *gate_sections(gates, locale)]
    return "\n\n".join(parts) + "\n"


def gate_sections(gates: Sequence[GateResult], locale: str = DEFAULT_LOCALE) -> list[str]:
    """Each gate with its conditions, a section a version."""
    gate_word = translate(N_("Gate"), locale)
    return [
        "\n".join(
            [
                f"### {_MARKS[gate.outcome]} {gate_word} · {_plain(gate.name)}: "
                f"{translate(OUTCOME_NAMES[gate.outcome], locale)}",
                "",
                *(
                    f"- {_MARKS[each.outcome]} {_code(each.text)} — {_plain(each.detail.localized(locale))}"
                    for each in gate.conditions
                ),
            ]
        )
        for gate in gates
    ]


def _metric_table(comparison: Comparison, metric: MetricComparison, locale: str) -> str:
    level = f"{comparison.options.level * 100:g}"
    heads = [
        translate(N_("Version"), locale),
        metric.name,
        translate(N_("difference, {level} % interval"), locale).format(level=level),
        translate(N_("corrected p"), locale),
        translate(N_("Verdict"), locale),
    ]
    return _table(heads, (_cells(row, metric, locale) for row in metric.rows))


def _cells(row: ForestRow, metric: MetricComparison, locale: str) -> tuple[str, ...]:
    value = f"{shown.number(row.value, metric.unit)} {shown.interval(row.low, row.high, metric.unit)}".rstrip()
    word = translate(STATUS_NAMES[row.status], locale)
    if row.status is Status.BASELINE:
        return row.name, value, shown.UNKNOWN, shown.UNKNOWN, word
    told = shown.difference(row.difference, in_points=metric.in_points, unit=metric.unit)
    ends = shown.difference_interval(
        row.difference_low, row.difference_high, in_points=metric.in_points, unit=metric.unit
    )
    return row.name, value, f"{told} {ends}".rstrip(), shown.p_value(row.p_adjusted), word


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell if place == 1 else _plain(cell) for cell in line)} |" for place, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Code whose own backticks end nothing."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"
