"""The driver of a training run: runs inside a Ray job, tells the platform what happens over HTTP alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.folders import default_data_dir
from aiplatform.core.ids import new_id
from aiplatform.registry import datasets_api, models_api
from aiplatform.registry.mlflow_rest import mlflow_of
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.train.entrypoint import check_entrypoint
from aiplatform.train.model import RAY_JOB_VARIABLE, TrainingState
from aiplatform.train.policy import check_fits
from aiplatform.train.spec import TrainSpec, parse_spec

if TYPE_CHECKING:
    import pyarrow

STORAGE_VARIABLE: Final = "AIPLATFORM_TRAIN_DIR"
JOB_VARIABLE: Final = "AIPLATFORM_JOB_ID"
CHECKPOINT: Final = "checkpoint"


class Driver:
    """One training run, from its first row to its registered model."""

    def __init__(self, spec: TrainSpec, *, run_id: str | None = None, client: Client | None = None) -> None:
        """Prepare a run; nothing happens yet.

        Args:
            spec: What to train.
            run_id: Of a run that the platform has made already; a new one is made by default.
            client: By default one made from the environment.
        """
        self.spec = spec
        self.run_id = run_id or new_id("train")
        self._client = client or Client()
        self._runs = MlflowRuns(mlflow_of(self._client.credentials))
        self._clock = SystemClock()

    def run(self) -> dict[str, Any]:
        """Train, log, keep the checkpoint, register the model; returns the run as the platform has it then.

        Raises:
            AIPlatformError: What stopped it; the run says the same.
        """
        self._client.post(
            "/api/v1/training-runs",
            {"spec": self.spec.document(), "run_id": self.run_id, "job_id": _job_id()},
            idempotent=True,
        )
        with self._reported(), _terminated_as_exit():
            self._train()
        return self._say(state=str(TrainingState.SUCCEEDED))

    def _train(self) -> None:
        check_entrypoint(self.spec.entrypoint)
        from aiplatform.train import compute  # noqa: PLC0415 - Ray and torch, once the specification stands

        check_fits(self.spec, compute.connect())
        references, tables = self._datasets()
        mlflow_run_id = self._begin(references, compute.system_tags())
        status = "FAILED"
        try:
            storage = _storage()
            trained = compute.fit(
                self.spec, run_id=self.run_id, mlflow_run_id=mlflow_run_id, storage=storage, tables=tables
            )
            self._say(metrics=dict(trained.metrics))
            if trained.checkpoint is not None:
                with trained.checkpoint.as_directory() as folder:
                    address = self._runs.upload(mlflow_run_id, Path(folder), CHECKPOINT)
                self._say(checkpoint_path=address)
                self._register(address, mlflow_run_id, references, trained.metrics)
            shutil.rmtree(storage / self.run_id, ignore_errors=True)  # the checkpoint rests in the artifact store now
            status = "FINISHED"
        finally:
            self._runs.finish(mlflow_run_id, status, ended_ns=self._clock.now_ns())

    def _datasets(self) -> tuple[dict[str, datasets_api.DatasetHandle], dict[str, pyarrow.Table]]:
        found = {
            name: datasets_api.get(reference, client=self._client) for name, reference in self.spec.datasets.items()
        }
        return found, {name: dataset.to_arrow() for name, dataset in found.items()}

    def _begin(self, datasets: Mapping[str, datasets_api.DatasetHandle], tags: Mapping[str, str]) -> str:
        spec = self.spec
        own = {"aiplatform.training_run": self.run_id, "aiplatform.entrypoint": spec.entrypoint}
        mlflow_run_id = self._runs.start(
            self._runs.ensure_experiment(spec.experiment_name),
            spec.name,
            started_ns=self._clock.now_ns(),
            tags={**tags, **own},
        )
        params = {**spec.params, "num_workers": spec.num_workers, "seed": spec.seed}
        self._runs.log(mlflow_run_id, params=params)
        for dataset in datasets.values():
            self._runs.log_dataset(
                mlflow_run_id, dataset.reference, digest=dataset.version.digest, columns=dataset.schema_text()
            )
        references = [dataset.reference for dataset in datasets.values()]
        self._say(state=str(TrainingState.RUNNING), mlflow_run_id=mlflow_run_id, datasets=references)
        return mlflow_run_id

    def _register(
        self,
        address: str,
        mlflow_run_id: str,
        datasets: Mapping[str, datasets_api.DatasetHandle],
        metrics: Mapping[str, float],
    ) -> None:
        register = self.spec.register_as
        if register is None:
            return
        version = models_api.register(
            address,
            name=register.name,
            alias=register.alias,
            loader=register.loader,
            description=register.description,
            signature=register.signature,
            metrics=metrics,
            training_run_id=self.run_id,
            mlflow_run_id=mlflow_run_id,
            datasets=[dataset.reference for dataset in datasets.values()],
            checkpoint_path=address,
            parent_models=register.parent_models,
            idempotency_key=self.run_id,
            client=self._client,
        )
        self._say(model=version.reference)

    def _say(self, **change: Any) -> dict[str, Any]:
        answer = self._client.request("PATCH", f"/api/v1/training-runs/{self.run_id}", json=change, idempotent=True)
        view: dict[str, Any] = answer.json()
        return view

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except AIPlatformError as error:
            trace = error.fields.get("traceback", "")
            self._say(state=str(TrainingState.FAILED), message=f"{error}\n\n{trace}".strip())
            raise
        except (KeyboardInterrupt, SystemExit):
            self._say(state=str(TrainingState.STOPPED))
            raise
        except BaseException as error:
            self._say(state=str(TrainingState.FAILED), message=f"{type(error).__name__}: {error}")
            raise


def fetch_spec(run_id: str, client: Client) -> TrainSpec:
    """The specification of a run that the platform has made."""
    return parse_spec(client.get(f"/api/v1/training-runs/{run_id}")["spec"], source=run_id)


def _job_id() -> str:
    """The Ray job that this driver is, as the platform or Ray itself says; a name of its own where it is none."""
    if own := os.environ.get(JOB_VARIABLE):
        return own
    config = json.loads(os.environ.get(RAY_JOB_VARIABLE) or "{}")
    return str(config.get("metadata", {}).get("job_submission_id") or f"local-{os.getpid()}")


def _storage() -> Path:
    folder = Path(os.environ.get(STORAGE_VARIABLE) or default_data_dir() / "training")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _terminated_as_exit() -> Iterator[None]:
    """Turn SIGTERM, with which Ray stops a job, into an exit that runs what stands in `finally`."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
