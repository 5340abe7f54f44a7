"""Experiments from Python: `aip.experiments.runs("digits")`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiplatform.client.http import Client
from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.registry.model import Experiment, ExperimentRun, MetricPoint, MetricSeries

__all__ = ["get", "history", "list", "run", "runs"]


def list(*, client: Client | None = None) -> tuple[Experiment, ...]:  # noqa: A001 - a verb on a noun
    """Every experiment of the project, the newest first."""
    client = client or Client()
    return tuple(Experiment(**item) for item in client.get("/api/v1/experiments")["items"])


def get(name: str, *, client: Client | None = None) -> Experiment:
    """One experiment by its name or id.

    Raises:
        NotFoundError: There is none.
    """
    for experiment in list(client=client):
        if name in {experiment.name, experiment.experiment_id}:
            return experiment
    raise NotFoundError(
        N_("There is no experiment {name!r}."),
        hint=N_("`aiplatform experiments list` shows every experiment of the project."),
        reason="registry.unknown_experiment",
        name=name,
    )


def runs(
    experiment: str,
    *,
    query: str = "",
    order_by: str | None = None,
    limit: int = 100,
    client: Client | None = None,
) -> tuple[ExperimentRun, ...]:
    """Runs of an experiment.

    Args:
        experiment: Its name or id.
        query: MLflow's search language, `metrics.accuracy > 0.9`.
        order_by: `metrics.accuracy DESC`; by default the newest first.
        limit: At most so many.
        client: By default one made from the environment.
    """
    client = client or Client()
    path = f"/api/v1/experiments/{get(experiment, client=client).experiment_id}/runs"
    answer = client.get(path, query=query, order_by=order_by, limit=limit)
    return tuple(_run(item) for item in answer["items"])


def run(run_id: str, *, client: Client | None = None) -> ExperimentRun:
    """One run."""
    client = client or Client()
    return _run(client.get(f"/api/v1/experiments/runs/{run_id}"))


def history(run_id: str, metric: str, *, limit: int = 400, client: Client | None = None) -> MetricSeries:
    """The history of one metric of one run, thinned so that no peak is lost."""
    client = client or Client()
    item = client.get(f"/api/v1/experiments/runs/{run_id}/metrics", key=metric, limit=limit)
    return MetricSeries(**{**item, "points": tuple(_point(point) for point in item["points"])})


def _run(item: Mapping[str, Any]) -> ExperimentRun:
    return ExperimentRun(**{**item, "metrics": {key: _number(value) for key, value in item["metrics"].items()}})


def _point(item: Mapping[str, Any]) -> MetricPoint:
    return MetricPoint(**{**item, "value": _number(item["value"])})


def _number(value: float | None) -> float:
    """JSON has no word for what is no number; such values come as null."""
    return math.nan if value is None else value
