"""The run table of an experiment: only what differs is a column, unless all is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.registry.model import ExperimentRun, MetricSeries

MAX_COLUMNS: Final = 8
STATUS_TONES: Final = {
    "RUNNING": ("run", "play"),
    "FINISHED": ("better", "circle-check"),
    "FAILED": ("worse", "circle-x"),
    "KILLED": ("dim", "circle-x"),
    "SCHEDULED": ("dim", "clock"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTable:
    """Runs with the columns that tell them apart."""

    runs: tuple[ExperimentRun, ...]
    params: tuple[str, ...]
    metrics: tuple[str, ...]
    num_hidden: int
    """Columns in which all runs agree, or that found no room."""

    best: Mapping[str, str]
    """Metric -> run with its highest value; only where the metric is one whose high values are good."""


def run_table(runs: Sequence[ExperimentRun], *, show_all: bool = False) -> RunTable:
    """The table of some runs.

    Args:
        runs: In the order they are shown.
        show_all: Whether columns in which all runs agree are shown too.
    """
    params = _ordered(run.params for run in runs)
    metrics = _ordered(run.metrics for run in runs)
    if show_all or len(runs) < 2:
        shown_params, shown_metrics = params, metrics
    else:
        shown_params = [key for key in params if len({run.params.get(key) for run in runs}) > 1][:MAX_COLUMNS]
        shown_metrics = [key for key in metrics if len({run.metrics.get(key) for run in runs}) > 1][:MAX_COLUMNS]
    best = {}
    for key in shown_metrics:
        known = [run for run in runs if key in run.metrics]
        if len(known) > 1 and rises(key):
            best[key] = max(known, key=lambda run: run.metrics[key]).run_id
    return RunTable(
        runs=tuple(runs),
        params=tuple(shown_params),
        metrics=tuple(shown_metrics),
        num_hidden=len(params) + len(metrics) - len(shown_params) - len(shown_metrics),
        best=best,
    )


def rises(metric: str) -> bool:
    """Whether a metric is plainly one whose high values are good; of others nothing is marked best."""
    name = metric.lower()
    return any(part in name for part in ("accuracy", "auc", "hit@", "hit_at", "mrr", "f1", "recall", "precision"))


def chart_of(key: str, series: Sequence[tuple[str, MetricSeries]], axis: str, description: str) -> dict[str, Any]:
    """What the page's script draws of one metric: (name, series) pairs with their points as [step, value]."""
    return {
        "metric": key,
        "axis": axis,
        "description": description,
        "log": False,
        "series": [
            {"name": name, "points": [[point.step, point.value] for point in one.points]} for name, one in series
        ],
    }


def chart_rows(
    series: Sequence[tuple[str, MetricSeries]], limit: int = 200
) -> tuple[list[tuple[int, list[float | None]]], bool]:
    """The same data as a table, by step, and whether it was cut."""
    by_step: dict[int, list[float | None]] = {}
    for index, (_, one) in enumerate(series):
        for point in one.points:
            by_step.setdefault(point.step, [None] * len(series))[index] = point.value
    rows = sorted(by_step.items())
    return rows[:limit], len(rows) > limit


def _ordered(mappings: Any) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})
