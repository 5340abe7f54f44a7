"""Ray Train: the workers of a run, and the callback that tells MLflow what they report."""

from __future__ import annotations

import logging
import os
import platform
import random
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ray
import ray.data
import ray.train
import torch
from ray.exceptions import RayTaskError
from ray.train import (
    CheckpointConfig,
    FailureConfig,
    LoggingConfig,
    RunConfig,
    ScalingConfig,
    TrainingFailedError,
    UserCallback,
)
from ray.train.torch import TorchTrainer

from aiplatform.client.credentials import find_credentials
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.jobs.model import Resources
from aiplatform.registry.mlflow_rest import mlflow_of
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.train.entrypoint import load_entrypoint
from aiplatform.train.model import RAY_JOB_VARIABLE
from aiplatform.train.policy import numbers, step_of
from aiplatform.train.spec import TrainSpec

if TYPE_CHECKING:
    import pyarrow

logger = logging.getLogger(__name__)

_HEARTBEAT: Final = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
_HEARTBEAT_S: Final = "0.25"
"""`report` is a meeting point that ends at the controller's next look: Ray's own 2 s make short epochs last as long."""

_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run left behind."""

    metrics: Mapping[str, float]
    """The last report, or the best checkpoint's where the specification names a metric."""

    checkpoint: ray.train.Checkpoint | None


class MlflowReports(UserCallback):  # type: ignore[misc]  # Ray has no types
    """Logs every report to MLflow, from Ray Train's controller.

    MLflow being away for a while costs no training: reports wait here and go with the next one.
    """

    def __init__(self, mlflow_run_id: str) -> None:
        self._mlflow_run_id = mlflow_run_id
        self._num_reports = 0
        self._waiting: list[tuple[dict[str, float], int, int]] = []

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: ray.train.Checkpoint | None
    ) -> None:
        """Log what rank 0 reported, under its own step where it says one."""
        values = numbers(metrics[0])
        step = step_of(metrics[0], self._num_reports)
        self._num_reports += 1
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items() if name not in {"step", "epoch"})
        sys.stdout.write(f"step {step}: {shown}\n")
        sys.stdout.flush()
        if values:
            self._waiting.append((values, step, SystemClock().now_ns()))
        runs = MlflowRuns(mlflow_of(find_credentials()))
        try:
            while self._waiting:
                values, step, at_ns = self._waiting[0]
                runs.log(self._mlflow_run_id, metrics=values, step=step, at_ns=at_ns)
                self._waiting.pop(0)
        except TransientError:
            logger.warning("metrics wait: the experiment store cannot be reached", exc_info=True)


def connect() -> Resources:
    """Join the Ray of the job that this is, or start one for this process alone; returns what the cluster has."""
    if not ray.is_initialized():
        # In a job, Ray itself says where the cluster is and brings the working directory along. Its helpers look for
        # the cluster anew, and would find another one's on a machine with several: so workers are told too.
        address = os.environ.get("RAY_ADDRESS")
        runtime_env: dict[str, Any] = {"env_vars": {"RAY_ADDRESS": address}} if address else {}
        if not os.environ.get(RAY_JOB_VARIABLE):
            runtime_env["working_dir"] = str(Path.cwd())
        ray.init(log_to_driver=True, logging_level=logging.WARNING, runtime_env=runtime_env)
    total = ray.cluster_resources()
    return Resources(
        num_cpus=total.get("CPU", 0.0), num_gpus=total.get("GPU", 0.0), memory_bytes=int(total.get("memory", 0.0))
    )


def fit(
    spec: TrainSpec, *, run_id: str, mlflow_run_id: str, storage: Path, tables: Mapping[str, pyarrow.Table]
) -> Trained:
    """Train, from the last checkpoint where the same run was interrupted.

    Args:
        spec: What to train.
        run_id: Names the run's folder: the same one resumes.
        mlflow_run_id: Where reports are logged.
        storage: Folder of checkpoints that every node sees.
        tables: Data sets by their name in the loop.

    Raises:
        RemoteError: The user's code failed; the message is its own, the traceback of its own lines.
    """
    os.environ.setdefault(_HEARTBEAT, _HEARTBEAT_S)
    worker = spec.worker
    resources = {"CPU": worker.cpus, "GPU": worker.gpus, "memory": worker.memory_gb * _GIB}
    trainer = TorchTrainer(
        train_loop,
        train_loop_config={"entrypoint": spec.entrypoint, "params": spec.params, "seed": spec.seed},
        datasets={name: ray.data.from_arrow(table) for name, table in tables.items()} or None,
        scaling_config=ScalingConfig(
            num_workers=spec.num_workers,
            use_gpu=worker.gpus > 0,
            resources_per_worker={name: amount for name, amount in resources.items() if amount},
        ),
        run_config=RunConfig(
            name=run_id,
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=spec.max_failures),
            checkpoint_config=CheckpointConfig(
                num_to_keep=spec.num_to_keep,
                checkpoint_score_attribute=spec.best_metric,
                checkpoint_score_order=spec.best_is,
            ),
            callbacks=[MlflowReports(mlflow_run_id)],
            logging_config=LoggingConfig(log_level="WARNING"),
            worker_runtime_env={"env_vars": dict(spec.env)} if spec.env else None,
        ),
    )
    try:
        result = trainer.fit()
    except TrainingFailedError as error:
        raise unwrapped(error) from None
    checkpoint, metrics = result.checkpoint, result.metrics or {}
    if spec.best_metric and result.best_checkpoints:
        checkpoint, metrics = _best(result.best_checkpoints, spec)
    return Trained(metrics=numbers(metrics), checkpoint=checkpoint)


def train_loop(config: dict[str, Any]) -> Any:
    """What every worker runs: seeds, then the user's own loop with the specification's parameters.

    Raises:
        RemoteError: The user's code raised; the error carries its message and the traceback of its own lines, because
            neither a foreign exception nor a traceback is sure to cross to the driver.
    """
    rank = ray.train.get_context().get_world_rank()
    seed = config["seed"] + rank
    random.seed(seed)
    torch.manual_seed(seed)
    try:
        import numpy as np  # noqa: PLC0415 - seeded where there is one

        np.random.seed(seed % 2**32)
    except ImportError:
        logger.debug("no NumPy to seed")
    try:
        return load_entrypoint(config["entrypoint"])(dict(config["params"]))
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        raise RemoteError(
            N_("Rank {rank} of the training loop raised {kind}: {problem}"),
            reason="train.user_code",
            rank=rank,
            kind=type(error).__name__,
            problem=str(error),
            traceback=_own_lines(error),
        ) from None


def unwrapped(error: TrainingFailedError) -> AIPlatformError:
    """The user's own error out of Ray Train's: of the lowest rank that raised one."""
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    for _, cause in sorted(failures.items()):
        if isinstance(cause, RayTaskError) and isinstance(cause.cause, BaseException):
            cause = cause.cause
        if isinstance(cause, AIPlatformError):
            return cause
    causes = [*failures.values(), getattr(error, "controller_failure", None), error]
    problem = next(str(cause) for cause in causes if cause is not None)
    return RemoteError(N_("Training failed: {problem}"), reason="train.failed", problem=problem)


def system_tags() -> dict[str, str]:
    """What the run ran on, as tags."""
    tags = {
        "aiplatform.python": platform.python_version(),
        "aiplatform.ray": ray.__version__,
        "aiplatform.torch": torch.__version__,
        "aiplatform.platform": platform.platform(),
        "aiplatform.cpus": str(os.cpu_count()),
    }
    if torch.cuda.is_available():
        tags["aiplatform.gpu"] = torch.cuda.get_device_name(0)
    return tags


def _best(
    candidates: list[tuple[ray.train.Checkpoint, dict[str, Any]]], spec: TrainSpec
) -> tuple[ray.train.Checkpoint, dict[str, Any]]:
    sign = 1.0 if spec.best_is == "max" else -1.0
    return max(candidates, key=lambda pair: sign * float(pair[1].get(spec.best_metric or "", float("-inf") * sign)))


def _own_lines(error: BaseException) -> str:
    """The traceback from the first line of the user's own code on; empty where it has not crossed the process."""
    frames = traceback.extract_tb(error.__traceback__)
    hidden = (f"{os.sep}ray{os.sep}", f"{os.sep}aiplatform{os.sep}train{os.sep}")
    own = [frame for frame in frames if not any(part in frame.filename for part in hidden)]
    if not own:
        return ""
    return "".join(
        ["Traceback (most recent call last):\n", *traceback.format_list(own), *traceback.format_exception_only(error)]
    )
