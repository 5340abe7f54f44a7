"""Every evaluation run as an MLflow run too, so that experiments, their pages and MLflow's own clients see it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import EvaluationRun, MetricValue, RunStatus
from aiplatform.registry.mlflow_rest import mlflow_of
from aiplatform.registry.mlflow_runs import MlflowRuns

logger = logging.getLogger(__name__)

EXPERIMENT: Final = "evaluations"
RUN_TAG: Final = "aiplatform.evaluation"
NOT_LOGGED: Final = N_("The run is not in MLflow: {problem}")
_STATUS: Final = {RunStatus.COMPLETED: "FINISHED", RunStatus.FAILED: "FAILED", RunStatus.CANCELLED: "KILLED"}
_ODD: Final = re.compile(r"[^\w./: -]")


class MlflowLog:
    """One evaluation run's entry in MLflow. What goes wrong here is said, and never ends the evaluation.

    Args:
        client: The platform that hosts MLflow.
        experiment: Where the run is entered; it is made where there is none.
        warn: Takes what went wrong.
    """

    def __init__(self, client: Client, *, experiment: str = EXPERIMENT, warn: Callable[[str], None]) -> None:
        self._rest = mlflow_of(client.credentials)
        self._runs = MlflowRuns(self._rest)
        self._page = client.credentials.page
        self._experiment = experiment
        self._clock = SystemClock()
        self._warn = warn

    def begin(self, run: EvaluationRun) -> str:
        """Enter a run; returns the id of its MLflow run, the one it has already where it goes on, empty on failure."""
        if run.mlflow_run_id:
            return run.mlflow_run_id
        try:
            mlflow_run_id = self._runs.start(
                self._runs.ensure_experiment(self._experiment),
                run.name,
                started_ns=run.started_ns or self._clock.now_ns(),
                tags={RUN_TAG: run.run_id, "aiplatform.evaluation_page": self._page(f"/evaluations/{run.run_id}")},
            )
            self._runs.log(mlflow_run_id, params=dict(_params(run)))
        except AIPlatformError as error:
            self._failed(error, run.run_id)
            return ""
        return mlflow_run_id

    def end(self, mlflow_run_id: str, run: EvaluationRun) -> None:
        """Log what a run came to, and end its entry."""
        if not mlflow_run_id:
            return
        now_ns = run.ended_ns or self._clock.now_ns()
        try:
            values = {name: value for metric in run.metrics for name, value in metric_values(metric)}
            self._runs.log(mlflow_run_id, metrics=values, tags=dict(_tags(run)), at_ns=now_ns)
            if run.data.name:
                self._runs.log_dataset(
                    mlflow_run_id, run.data.label, digest=run.data.hash or run.data.rows_hash, columns=""
                )
            self._runs.finish(mlflow_run_id, _STATUS.get(run.status, "FAILED"), ended_ns=now_ns)
        except AIPlatformError as error:
            self._failed(error, run.run_id)

    def close(self) -> None:
        """Give connections back."""
        self._rest.close()

    def _failed(self, error: AIPlatformError, run_id: str) -> None:
        logger.warning("the run could not be logged to MLflow", exc_info=True, extra={"run_id": run_id})
        self._warn(NOT_LOGGED.format(problem=error))


def metric_values(metric: MetricValue) -> Iterator[tuple[str, float]]:
    """A metric as MLflow keeps it: its value, its interval, the rows it rests on, its coverage.

    MLflow allows no `@`: `hit@1` is `hit_at_1` there.
    """
    name = mlflow_name(metric.name)
    found = {"": metric.value, ".low": metric.low, ".high": metric.high, ".coverage": metric.coverage}
    yield from ((f"{name}{ending}", float(value)) for ending, value in found.items() if value is not None)
    yield f"{name}.n", float(metric.n)


def mlflow_name(name: str) -> str:
    """A name with characters that MLflow allows."""
    return _ODD.sub("_", name.replace("@", "_at_"))


def _params(run: EvaluationRun) -> Iterator[tuple[str, Any]]:
    yield "model", f"{run.model.kind}:{run.model.name}" if run.model.name else str(run.model.kind)
    yield "data", run.data.label
    yield "seed", run.seed
    yield "scorers", ", ".join(f"{scorer.name}@{scorer.version}" for scorer in run.scorers)
    for name, value in (
        ("model_version", run.model.version),
        ("endpoint", run.model.endpoint),
        ("slices", ", ".join(run.slices)),
        ("label", run.label),
    ):
        if value:
            yield name, value


def _tags(run: EvaluationRun) -> Iterator[tuple[str, str]]:
    for name, value in (
        ("data", run.data.label),
        ("data_hash", run.data.hash),
        ("rows_hash", run.data.rows_hash),
        ("code_version", run.code_version),
        ("model_version", run.model.version),
        ("primary", run.primary),
        ("error", run.error),
    ):
        if value:
            yield f"aiplatform.{name}", value
    if run.code_version:
        yield "mlflow.source.git.commit", run.code_version.rstrip("+")
