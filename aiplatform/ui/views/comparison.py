"""A comparison as its page draws it: the chosen metric's forest plot, the chosen version's slices and gates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from aiplatform.core.axes import Axis, axis_for
from aiplatform.eval.model import (
    Change,
    Comparison,
    ForestRow,
    GateResult,
    MetricComparison,
    Outcome,
    RowChange,
    RowCounts,
    Status,
    Unit,
)
from aiplatform.eval.shown import answer_text
from aiplatform.tracing.textdiff import Change as TextChange
from aiplatform.tracing.textdiff import Piece, diff
from aiplatform.ui import formatting

TONES: Final = {Status.BETTER: "better", Status.WORSE: "worse", Status.OPEN: "open", Status.BASELINE: "base"}
WORD_TONES: Final = {Status.BETTER: "better", Status.WORSE: "worse", Status.OPEN: "unsure", Status.BASELINE: "dim"}
STATUS_ICONS: Final = {
    Status.BETTER: "circle-check",
    Status.WORSE: "circle-x",
    Status.OPEN: "circle-question-mark",
    Status.BASELINE: "circle",
}
OUTCOME_TONES: Final = {Outcome.PASS: "better", Outcome.FAIL: "worse", Outcome.UNKNOWN: "unsure"}
OUTCOME_ICONS: Final = {
    Outcome.PASS: "circle-check",
    Outcome.FAIL: "circle-x",
    Outcome.UNKNOWN: "circle-question-mark",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How differences of one metric are written."""

    factor: float
    places: int
    unit: str
    """`points` where a share is compared, else the metric's own unit; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a forest plot."""

    row: ForestRow
    tone: str
    word_tone: str
    icon: str
    value: str
    difference: str
    p: str
    at: float | None
    low_at: float | None
    high_at: float | None
    low_inside: bool
    high_inside: bool

    @property
    def is_baseline(self) -> bool:
        """Whether the others are compared with it."""
        return self.row.status is Status.BASELINE

    @property
    def is_hollow(self) -> bool:
        """Whether the mark is open: nothing is established."""
        return self.row.status in {Status.OPEN, Status.BASELINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """A forest plot of one metric."""

    metric: MetricComparison
    scale: Scale
    axis: Axis
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceLine:
    """One slice of the chosen version."""

    column: str
    value: str
    key: str
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """Everything that the page draws beside the verdict."""

    forest: Forest
    candidate_id: str
    candidate_name: str
    slices: tuple[SliceLine, ...]
    slice_axis: Axis
    gates: tuple[GateResult, ...]
    counts: RowCounts | None


def pieces_of(row: RowChange, is_candidate: bool) -> list[Piece]:
    """One side's answer, with what only this side said marked; whole where a side is missing."""
    texts = [answer_text(side.output) for side in (row.baseline, row.candidate)]
    if row.change is Change.MISSING or not all(texts):
        text = texts[is_candidate]
        return [Piece(TextChange.SAME, text)] if text else []
    mine = TextChange.NEW if is_candidate else TextChange.GONE
    return [piece for piece in diff(*texts) if piece.change in {TextChange.SAME, mine}]


def scale_of(metric: MetricComparison) -> Scale:
    """Shares are compared in points; times in whole milliseconds; the rest in three decimals."""
    if metric.in_points:
        return Scale(factor=100.0, places=1, unit="points")
    if metric.unit is Unit.MILLISECONDS:
        return Scale(factor=1.0, places=0, unit="ms")
    return Scale(factor=1.0, places=3, unit="")


def forest_of(metric: MetricComparison) -> Forest:
    """All versions of one metric on one domain."""
    scale = scale_of(metric)
    axis = axis_for(
        end * scale.factor
        for row in metric.rows
        for end in (row.difference, row.difference_low, row.difference_high)
        if end is not None
    )
    return Forest(
        metric=metric,
        scale=scale,
        axis=axis,
        ticks=tuple((tick.at, formatting.signed(tick.value, _tick_places(axis))) for tick in axis.ticks),
        lines=tuple(line_of(row, metric, scale, axis) for row in metric.rows),
    )


def line_of(row: ForestRow, metric: MetricComparison, scale: Scale, axis: Axis) -> Line:
    """One version, or one slice of it, placed on the axis."""
    low, high = _scaled(row.difference_low, scale), _scaled(row.difference_high, scale)
    estimate = _scaled(row.difference, scale)
    has_interval = low is not None and high is not None and not (math.isnan(low) or math.isnan(high))
    difference = formatting.signed(estimate, scale.places)
    if has_interval:
        difference = f"{difference} {formatting.interval(low, high, scale.places)}"
    is_baseline = row.status is Status.BASELINE
    value = row.value
    return Line(
        row=row,
        tone=TONES[row.status],
        word_tone=WORD_TONES[row.status],
        icon=STATUS_ICONS[row.status],
        value=formatting.number(value) if metric.unit is Unit.MILLISECONDS else formatting.fixed(value),
        difference=formatting.UNKNOWN if is_baseline else difference,
        p=formatting.UNKNOWN if is_baseline else formatting.p_value(row.p_adjusted),
        at=axis.zero if is_baseline else (None if estimate is None else axis.at(estimate)),
        low_at=axis.at(low) if has_interval and low is not None else None,
        high_at=axis.at(high) if has_interval and high is not None else None,
        low_inside=has_interval and low is not None and axis.holds(low),
        high_inside=has_interval and high is not None and axis.holds(high),
    )


def view_of(comparison: Comparison, *, metric: str | None, candidate: str | None) -> ComparisonView:
    """The page's state: what the address asks for where it exists, else the primary metric and the best version.

    Args:
        comparison: The comparison.
        metric: Name of the metric that the forest plot shows.
        candidate: Run whose slices, gates and rows are shown.
    """
    chosen = comparison.metric(metric) if metric else None
    run_ids = [version.run_id for version in comparison.candidates]
    run_id = candidate if candidate in run_ids else (comparison.verdict.promote or run_ids[0])
    name = next(version.name for version in comparison.candidates if version.run_id == run_id)
    primary = comparison.primary
    scale = scale_of(primary)
    rows = [each for each in comparison.slices if each.run_id == run_id]
    axis = axis_for(
        end * scale.factor
        for each in rows
        for end in (each.row.difference, each.row.difference_low, each.row.difference_high)
        if end is not None
    )
    return ComparisonView(
        forest=forest_of(chosen or primary),
        candidate_id=run_id,
        candidate_name=name,
        slices=tuple(
            SliceLine(
                column=each.column,
                value=each.value,
                key=each.label,
                line=line_of(each.row, primary, scale, axis),
            )
            for each in rows
        ),
        slice_axis=axis,
        gates=tuple(gate for gate in comparison.gates if gate.run_id == run_id),
        counts=next((counts for counts in comparison.counts if counts.run_id == run_id), None),
    )


def _scaled(value: float | None, scale: Scale) -> float | None:
    return None if value is None else value * scale.factor


def _tick_places(axis: Axis) -> int:
    values = [tick.value for tick in axis.ticks]
    for places in range(4):
        if all(abs(round(value, places) - value) < 1e-9 for value in values):
            return places
    return 4
