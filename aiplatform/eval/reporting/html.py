"""A report as one HTML file: style and drawings inside, no script, nothing to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

from aiplatform.core.axes import Axis, axis_for
from aiplatform.core.i18n import translate
from aiplatform.core.templates import template_environment
from aiplatform.eval import shown
from aiplatform.eval.model import (
    CORRECTION_NAMES,
    EFFECT_NAMES,
    OUTCOME_NAMES,
    STATE_NAMES,
    STATUS_NAMES,
    TEST_NAMES,
    ForestRow,
    Message,
    MetricComparison,
    RowSide,
    SliceComparison,
    Status,
)
from aiplatform.eval.reporting.content import (
    ComparisonReport,
    Report,
    origins,
    scorer_lines,
    signature_lines,
)
from aiplatform.tracing.textdiff import Piece, diff

TEMPLATES: Final = Path(__file__).parent / "templates"
MAX_TEXT: Final = 2_000
"""Characters of an input or output that a report shows; the rest is on the row's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One line of a forest plot with its figures."""

    row: ForestRow
    difference: str
    at: float | None
    low_at: float | None
    high_at: float | None
    zero: float

    @property
    def tone(self) -> str:
        """How it is coloured; shape and word say the same."""
        return str(self.row.status)

    @property
    def is_hollow(self) -> bool:
        """Whether the mark is open: nothing is established."""
        return self.row.status in {Status.OPEN, Status.BASELINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A forest plot of one metric, or of one candidate's slices."""

    metric: MetricComparison
    ticks: tuple[tuple[float, str], ...]
    zero: float
    lanes: tuple[Lane, ...]


def render_html(report: Report, locale: str) -> str:
    """The report in one language.

    Args:
        report: What to tell.
        locale: `en` or `zh_CN`.
    """
    template = "comparison.html" if isinstance(report, ComparisonReport) else "run.html"
    return _environment(locale).get_template(template).render(report=report, locale=locale, **_view(report))


def _view(report: Report) -> dict[str, Any]:
    common: dict[str, Any] = {
        "origins": origins(report.runs),
        "scorers": scorer_lines(report.runs),
        "signatures": signature_lines(report.runs),
    }
    if not isinstance(report, ComparisonReport):
        return common
    comparison = report.comparison
    slices = [
        (version, [part for part in comparison.slices if part.run_id == version.run_id])
        for version in comparison.candidates
    ]
    names = dict.fromkeys(metric.name for run in report.runs for metric in run.metrics)
    return {
        **common,
        "comparison": comparison,
        "plots": [_plot(metric, metric.rows) for metric in comparison.metrics],
        "slices": [(version, _slice_plot(comparison.primary, parts)) for version, parts in slices if parts],
        "all_metrics": [(name, [run.metric(name) for run in report.runs]) for name in names],
    }


def _plot(metric: MetricComparison, rows: Sequence[ForestRow]) -> Plot:
    factor = 100.0 if metric.in_points else 1.0
    ends = [
        end * factor
        for row in rows
        for end in (row.difference, row.difference_low, row.difference_high)
        if end is not None
    ]
    axis = axis_for(ends, aim=4)
    return Plot(
        metric=metric,
        ticks=tuple((tick.at, _tick(tick.value, metric)) for tick in axis.ticks),
        zero=axis.zero,
        lanes=tuple(_lane(row, metric, axis, factor) for row in rows),
    )


def _slice_plot(metric: MetricComparison, parts: Sequence[SliceComparison]) -> tuple[Plot, list[SliceComparison]]:
    return _plot(metric, [part.row for part in parts]), [*parts]


def _lane(row: ForestRow, metric: MetricComparison, axis: Axis, factor: float) -> Lane:
    def at(value: float | None) -> float | None:
        return None if value is None else axis.at(value * factor)

    told = shown.difference(row.difference, in_points=metric.in_points, unit=metric.unit)
    interval = shown.difference_interval(
        row.difference_low, row.difference_high, in_points=metric.in_points, unit=metric.unit
    )
    is_baseline = row.status is Status.BASELINE
    return Lane(
        row=row,
        difference=shown.UNKNOWN if is_baseline else f"{told} {interval}".rstrip(),
        at=axis.zero if is_baseline else at(row.difference),
        low_at=at(row.difference_low),
        high_at=at(row.difference_high),
        zero=axis.zero,
    )


def _tick(value: float, metric: MetricComparison) -> str:
    if value == 0.0:
        return "0"
    if not metric.in_points:
        return shown.difference(value, in_points=False, unit=metric.unit)
    return shown.difference(value / 100.0, in_points=True)


def _sides(baseline: RowSide, candidate: RowSide) -> list[Piece]:
    return diff(_text(baseline.output), _text(candidate.output))


def _text(value: Any) -> str:
    text = shown.answer_text(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _stamp(nanoseconds: int | None) -> str:
    if not nanoseconds:
        return shown.UNKNOWN
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _percent(share: float | None) -> str:
    if share is None:
        return shown.UNKNOWN
    # Rounded down: 99.96 % scored is not all of it.
    return "100 %" if share == 1.0 else f"{int(share * 1000) / 10:.1f} %"


@cache
def _environment(locale: str) -> Environment:
    environment = template_environment(TEMPLATES, locale)

    def localized(text: str | Message) -> str:
        return text.localized(locale) if isinstance(text, Message) else translate(text, locale)

    environment.filters.update(
        {
            "localized": localized,
            "number": shown.number,
            "metric": shown.metric,
            "p_value": shown.p_value,
            "size": shown.size,
            "stamp": _stamp,
            "percent": _percent,
            "text": _text,
        }
    )
    environment.globals.update(
        {
            "sides": _sides,
            "correction_names": CORRECTION_NAMES,
            "effect_names": EFFECT_NAMES,
            "outcome_names": OUTCOME_NAMES,
            "state_names": STATE_NAMES,
            "status_names": STATUS_NAMES,
            "test_names": TEST_NAMES,
        }
    )
    return environment
