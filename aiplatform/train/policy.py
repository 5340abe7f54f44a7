"""Decisions about training runs: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.jobs.model import JobState, Resources
from aiplatform.train.model import TrainingState
from aiplatform.train.spec import TrainSpec


def wanted(spec: TrainSpec) -> Resources:
    """What all workers of a run ask for together."""
    worker = spec.worker
    return Resources(
        num_cpus=worker.cpus * spec.num_workers,
        num_gpus=worker.gpus * spec.num_workers,
        memory_bytes=int(worker.memory_gb * 1024**3) * spec.num_workers,
    )


def check_fits(spec: TrainSpec, capacity: Resources) -> None:
    """Nothing, where the cluster could ever run this.

    Raises:
        InvalidError: The workers ask for more than the whole cluster has, so that they would wait for ever.
    """
    asked = wanted(spec)
    pairs = (
        (N_("CPUs"), asked.num_cpus, capacity.num_cpus),
        (N_("GPUs"), asked.num_gpus, capacity.num_gpus),
        (N_("bytes of memory"), asked.memory_bytes, capacity.memory_bytes),
    )
    for what, needed, there in pairs:
        if needed > there:
            raise InvalidError(
                N_("{num_workers} workers need {needed:g} {what} together, and the whole cluster has {there:g}."),
                hint=N_("Lower `num_workers` or what each worker asks for; it would wait for ever otherwise."),
                reason="train.resources",
                num_workers=spec.num_workers,
                needed=needed,
                what=what,
                there=there,
            )


def after_job(state: JobState) -> TrainingState | None:
    """Where a run stands that said nothing more before its job ended; None while the job lives.

    A driver says itself that it succeeded: a job that ended without that word has failed, whatever its exit code.
    """
    if not state.is_final:
        return None
    return TrainingState.STOPPED if state is JobState.STOPPED else TrainingState.FAILED


def numbers(report: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a report that MLflow can draw: numbers, those of tensors and NumPy among them."""
    found = {}
    for key, value in report.items():
        if isinstance(value, str | bytes | bool) or value is None:
            continue
        try:
            found[key] = float(value)
        except (TypeError, ValueError):
            continue
    return found


def step_of(report: Mapping[str, Any], num_reports: int) -> int:
    """The step of a report: its own `step`, else its `epoch`, else how many came before it."""
    for key in ("step", "epoch"):
        value = report.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return num_reports
