"""Experiments as the pages and the management API read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.registry.model import Experiment, ExperimentRun, MetricSeries
from aiplatform.registry.thinning import thin
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

MAX_RUNS: Final = 1000
MAX_POINTS: Final = 5000
DEFAULT_POINTS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Some runs, and the token of the next page."""

    runs: tuple[ExperimentRun, ...]
    next_token: str | None


class Experiments:
    """What was tried: MLflow keeps it, whoever logged it there."""

    def __init__(self, door: MlflowDoor) -> None:
        self._door = door

    def list(self, caller: Caller) -> list[Experiment]:
        """Every experiment of the caller's project, the newest first."""
        return self._of(caller, Permission.EXPERIMENTS_READ).experiments()

    def get(self, caller: Caller, experiment_id: str) -> Experiment:
        """One experiment.

        Raises:
            NotFoundError: There is none.
        """
        return self._of(caller, Permission.EXPERIMENTS_READ).experiment(experiment_id)

    def runs(
        self,
        caller: Caller,
        experiment_ids: Sequence[str],
        *,
        query: str = "",
        order_by: str | None = None,
        limit: int = 100,
        token: str | None = None,
    ) -> RunPage:
        """Runs of some experiments.

        Args:
            caller: Who asks.
            experiment_ids: Whose runs.
            query: MLflow's search language, `metrics.accuracy > 0.9`.
            order_by: `metrics.accuracy DESC`; by default the newest first.
            limit: Runs of one page, at most 1,000.
            token: Of the page before.

        Raises:
            InvalidError: The query or the order cannot be understood.
        """
        runs, following = self._of(caller, Permission.EXPERIMENTS_READ).search(
            experiment_ids, query=query, order_by=order_by, limit=_within(limit, MAX_RUNS), token=token
        )
        return RunPage(runs=tuple(runs), next_token=following)

    def run(self, caller: Caller, run_id: str) -> ExperimentRun:
        """One run.

        Raises:
            NotFoundError: There is none.
        """
        return self._of(caller, Permission.EXPERIMENTS_READ).run(run_id)

    def history(self, caller: Caller, run_id: str, key: str, *, limit: int = DEFAULT_POINTS) -> MetricSeries:
        """The history of one metric, thinned to `limit` points that keep every peak.

        Raises:
            NotFoundError: There is no such run.
        """
        limit = max(4, _within(limit, MAX_POINTS))
        runs = self._of(caller, Permission.EXPERIMENTS_READ)
        points = sorted(runs.history(run_id, key), key=lambda point: (point.step, point.timestamp_ns))
        return MetricSeries(run_id=run_id, key=key, points=tuple(thin(points, limit)), num_points=len(points))

    def _of(self, caller: Caller, permission: Permission) -> MlflowRuns:
        caller.require(permission)
        return MlflowRuns(self._door.of(caller))


def _within(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise InvalidError(
            N_("{limit!r} items of one page are not possible; from 1 to {most} are."),
            reason="registry.limit",
            limit=limit,
            most=most,
        )
    return limit
