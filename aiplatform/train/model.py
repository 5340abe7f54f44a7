"""What a training run is: its specification, its state, and what it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aiplatform.core.i18n import N_


class TrainingState(StrEnum):
    """Where a training run stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {TrainingState.SUCCEEDED, TrainingState.FAILED, TrainingState.STOPPED}


STATE_NAMES: Final = {
    TrainingState.PENDING: N_("Pending"),
    TrainingState.RUNNING: N_("Running"),
    TrainingState.SUCCEEDED: N_("Succeeded"),
    TrainingState.FAILED: N_("Failed"),
    TrainingState.STOPPED: N_("Stopped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """One run of a training specification."""

    run_id: str
    name: str
    state: TrainingState
    spec: Mapping[str, Any]
    """The specification as it was read, JSON."""

    message: str
    """Why it failed; empty otherwise."""

    job_id: str | None
    """The Ray job that it runs in."""

    experiment: str
    mlflow_run_id: str | None
    datasets: tuple[str, ...]
    """References with versions."""

    metrics: Mapping[str, float]
    """The last report's values."""

    checkpoint_path: str | None
    """Where the final checkpoint lies, `mlflow-artifacts:/…`."""

    model: str | None
    """The registered version, `name@version`."""

    created_by: str
    created_ns: int
    started_ns: int | None
    ended_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingUpdate:
    """What a driver reports; None leaves a field as it is."""

    state: TrainingState | None = None
    message: str | None = None
    job_id: str | None = None
    mlflow_run_id: str | None = None
    datasets: tuple[str, ...] | None = None
    metrics: Mapping[str, float] | None = None
    checkpoint_path: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrainingRun:
    """What creating a training run says."""

    spec: Mapping[str, Any]
    run_id: str | None = None
    """The caller's own id: creating it again answers with the first run."""

    job_id: str | None = None
    """The Ray job that the caller runs in; None starts one."""

    working_dir: str | None = None
    """Artifact path of a zip with the code, for a run that starts a job."""

    env: Mapping[str, str] = field(default_factory=dict)


RAY_JOB_VARIABLE: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where Ray says, inside a job, which job it is."""
