"""Metrics of evaluation runs as lines with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aiplatform.core.axes import Axis, axis_for
from aiplatform.core.i18n import N_
from aiplatform.eval.model import EvaluationRun, MetricKind, MetricValue, RunStatus, Unit
from aiplatform.ui import formatting

_SHARES = {MetricKind.PROPORTION, MetricKind.AUC}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """One metric: its figure, and its interval on a domain."""

    metric: MetricValue
    text: str
    interval: str
    axis: Axis
    at: float | None
    low_at: float | None
    high_at: float | None
    tone: str = "same"
    low_inside: bool = True
    high_inside: bool = True
    is_hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One slice on the primary metric."""

    column: str
    value: str
    key: str
    num_rows: int
    line: MetricLine | None


def metric_lines(metrics: Sequence[MetricValue]) -> tuple[MetricLine, ...]:
    """Shares lie between 0 and 1; every other metric on a domain of its own that begins at 0."""
    return tuple(metric_line(metric) for metric in metrics)


def metric_line(metric: MetricValue, axis: Axis | None = None) -> MetricLine:
    """One metric, on a given domain or on its own."""
    if axis is None:
        share = metric.kind in _SHARES
        axis = Axis(low=0.0, high=1.0, ticks=()) if share else _bare(metric.value, metric.low, metric.high)
    has_interval = metric.low is not None and metric.high is not None
    return MetricLine(
        metric=metric,
        text=figure(metric.value, metric.unit),
        interval=f"[{figure(metric.low, metric.unit)}, {figure(metric.high, metric.unit)}]" if has_interval else "",
        axis=axis,
        at=None if metric.value is None else axis.at(metric.value),
        low_at=axis.at(metric.low) if has_interval and metric.low is not None else None,
        high_at=axis.at(metric.high) if has_interval and metric.high is not None else None,
    )


def slice_table(run: EvaluationRun) -> tuple[SliceRow, ...]:
    """The run's primary metric in every slice, on one domain."""
    name = run.primary_metric.name if run.primary_metric else ""
    found = [
        (each, next((metric for metric in each.metrics if metric.name == name), None)) for each in run.slice_metrics
    ]
    axis = _bare(*(end for _, metric in found if metric for end in (metric.value, metric.low, metric.high)))
    return tuple(
        SliceRow(
            column=each.column,
            value=each.value,
            key=each.label,
            num_rows=each.num_rows,
            line=metric_line(metric, axis) if metric else None,
        )
        for each, metric in found
    )


def headline(run: EvaluationRun, text: Callable[[str], str]) -> str:
    """What the run says, as one sentence in the reader's language.

    Args:
        run: The run.
        text: Translates a marked text.
    """
    done, total = formatting.number(run.done_rows), formatting.number(run.total_rows or None)
    if run.status is RunStatus.FAILED:
        return text(N_("The run failed after {done} rows.")).format(done=done)
    if run.status is RunStatus.CANCELLED:
        return text(N_("The run was cancelled after {done} rows.")).format(done=done)
    if run.status is RunStatus.CAPPED:
        return text(N_("The run reached a cap after {done} rows.")).format(done=done)
    if run.status is RunStatus.INTERRUPTED:
        return text(N_("The run was interrupted after {done} rows.")).format(done=done)
    if run.status is RunStatus.QUEUED:
        return text(N_("The run waits to be started."))
    if run.status is RunStatus.RUNNING and not run.total_rows:
        return text(N_("{done} rows are done.")).format(done=done)
    if run.status is RunStatus.RUNNING:
        return text(N_("{done} of {total} rows are done.")).format(done=done, total=total)
    if run.primary_metric is None or run.primary_metric.value is None:
        return text(N_("All {done} rows are done; no metric could be computed.")).format(done=done)
    line = metric_line(run.primary_metric)
    return text(N_("{metric} is {value} on {count} rows of {data}.")).format(
        metric=line.metric.name,
        value=f"{line.text} {line.interval}".strip(),
        count=formatting.number(line.metric.n),
        data=run.data.label,
    )


def _bare(*values: float | None) -> Axis:
    """A domain without ticks: no figures stand at it."""
    return replace(axis_for(values), ticks=())


def figure(value: float | None, unit: Unit) -> str:
    """`0.573`, or `1.24 s` for a metric in milliseconds."""
    if value is None:
        return formatting.UNKNOWN
    if unit is Unit.MILLISECONDS:
        return str(formatting.duration(value * 1e6))
    return formatting.fixed(value) if abs(value) < 10 else formatting.number(value)
