"""Experiments and runs through MLflow's REST interface."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from aiplatform.core.errors import ConflictError, NotFoundError
from aiplatform.registry.mlflow_rest import MlflowRest, artifact_path
from aiplatform.registry.model import Experiment, ExperimentRun, MetricPoint

MAX_TEXT: Final = 6000
"""Longest parameter value that MLflow keeps."""

_MAX_PARAMS: Final = 100
_MAX_METRICS: Final = 1000
_PAGE: Final = 1000


class MlflowRuns:
    """Experiments and runs of one project."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest

    def ensure_experiment(self, name: str) -> str:
        """The id of the experiment, made where there is none."""
        try:
            return str(self._rest.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])
        except NotFoundError:
            try:
                return str(self._rest.post("experiments/create", name=name)["experiment_id"])
            except ConflictError:  # another run made it meanwhile
                answer = self._rest.get("experiments/get-by-name", experiment_name=name)
                return str(answer["experiment"]["experiment_id"])

    def experiments(self) -> list[Experiment]:
        """Every experiment that was not deleted, the newest first."""
        found = self._rest.pages("experiments/search", "experiments", max_results=_PAGE)
        return sorted((_experiment(item) for item in found), key=lambda one: (-one.created_ns, one.name))

    def experiment(self, experiment_id: str) -> Experiment:
        """One experiment.

        Raises:
            NotFoundError: There is none.
        """
        return _experiment(self._rest.get("experiments/get", experiment_id=experiment_id)["experiment"])

    def start(self, experiment_id: str, name: str, *, started_ns: int, tags: Mapping[str, str]) -> str:
        """Begin a run; returns its id."""
        answer = self._rest.post(
            "runs/create",
            experiment_id=experiment_id,
            run_name=name,
            start_time=started_ns // 1_000_000,
            tags=_pairs(tags),
        )
        return str(answer["run"]["info"]["run_id"])

    def finish(self, run_id: str, status: str, *, ended_ns: int) -> None:
        """End a run as `FINISHED`, `FAILED` or `KILLED`."""
        self._rest.post("runs/update", run_id=run_id, status=status, end_time=ended_ns // 1_000_000)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        at_ns: int = 0,
    ) -> None:
        """Log parameters, tags, and metrics of one step. Long values are cut as MLflow would refuse them."""
        values = [
            {"key": key, "value": _json_number(value), "step": step, "timestamp": at_ns // 1_000_000}
            for key, value in (metrics or {}).items()
        ]
        texts = {key: str(value)[:MAX_TEXT] for key, value in (params or {}).items()}
        for part in _batches(_pairs(texts), _MAX_PARAMS):
            self._rest.post("runs/log-batch", run_id=run_id, params=part)
        for part in _batches(values, _MAX_METRICS):
            self._rest.post("runs/log-batch", run_id=run_id, metrics=part)
        for part in _batches(_pairs(tags or {}), _MAX_PARAMS):
            self._rest.post("runs/log-batch", run_id=run_id, tags=part)

    def log_dataset(self, run_id: str, reference: str, *, digest: str, columns: str) -> None:
        """Note a data set version as an input of the run, where MLflow's own pages and clients see it."""
        name, _, version = reference.partition("@")
        dataset = {
            "name": name,
            "digest": digest.removeprefix("sha256:")[:36],
            "source_type": "aiplatform",
            "source": f'{{"reference": "{reference}", "version": "{version}"}}',
            "schema": columns,
        }
        self._rest.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": []}])

    def run(self, run_id: str) -> ExperimentRun:
        """One run.

        Raises:
            NotFoundError: There is none.
        """
        return _run(self._rest.get("runs/get", run_id=run_id)["run"])

    def search(
        self,
        experiment_ids: Sequence[str],
        *,
        query: str = "",
        order_by: str | None = None,
        limit: int = 100,
        token: str | None = None,
    ) -> tuple[list[ExperimentRun], str | None]:
        """Runs of these experiments, and the token of the next page.

        Args:
            query: In MLflow's search language, `metrics.loss < 0.1 and params.lr = "0.01"`.
            order_by: `metrics.accuracy DESC`; by default the newest first.
        """
        answer = self._rest.post(
            "runs/search",
            experiment_ids=list(experiment_ids),
            filter=query,
            max_results=limit,
            order_by=[order_by] if order_by else None,
            page_token=token,
        )
        return [_run(item) for item in answer.get("runs", ())], answer.get("next_page_token") or None

    def history(self, run_id: str, key: str) -> Iterator[MetricPoint]:
        """Every value of a metric, in the order in which MLflow keeps them."""
        token: str | None = None
        while True:
            answer = self._rest.get(
                "metrics/get-history", run_id=run_id, metric_key=key, max_results=25_000, page_token=token
            )
            for item in answer.get("metrics", ()):
                yield MetricPoint(
                    step=int(item.get("step", 0)), value=float(item["value"]), timestamp_ns=_ns(item["timestamp"]) or 0
                )
            token = answer.get("next_page_token") or None
            if token is None:
                return

    def upload(self, run_id: str, local: Path, name: str) -> str:
        """Put a file or folder among the run's artifacts as `name`; returns its `mlflow-artifacts:` address."""
        root = artifact_path(self._rest.get("runs/get", run_id=run_id)["run"]["info"]["artifact_uri"])
        return self._rest.upload(local, f"{root}/{name}")


def _experiment(item: Mapping[str, Any]) -> Experiment:
    return Experiment(
        experiment_id=str(item["experiment_id"]),
        name=item["name"],
        created_ns=_ns(item.get("creation_time")) or 0,
        updated_ns=_ns(item.get("last_update_time")) or 0,
    )


def _run(item: Mapping[str, Any]) -> ExperimentRun:
    info, data = item["info"], item.get("data", {})
    return ExperimentRun(
        run_id=info["run_id"],
        experiment_id=str(info["experiment_id"]),
        name=info.get("run_name", ""),
        status=info["status"],
        params={pair["key"]: pair["value"] for pair in data.get("params", ())},
        metrics={metric["key"]: float(metric["value"]) for metric in data.get("metrics", ())},
        tags={pair["key"]: pair["value"] for pair in data.get("tags", ())},
        started_ns=_ns(info.get("start_time")),
        ended_ns=_ns(info.get("end_time")),
    )


def _ns(milliseconds: Any) -> int | None:
    return int(milliseconds) * 1_000_000 if milliseconds else None


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _json_number(value: float) -> float | str:
    """JSON has no word for what is no finite number; MLflow reads protobuf's."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
