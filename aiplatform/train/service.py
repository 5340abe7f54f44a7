"""Creating, watching and reading training runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, ConflictError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.jobs.model import JobSpec, check_submission_id
from aiplatform.jobs.service import Jobs
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.train.model import NewTrainingRun, TrainingRun, TrainingState, TrainingUpdate
from aiplatform.train.policy import after_job, check_fits
from aiplatform.train.spec import TrainSpec, parse_spec
from aiplatform.train.store import TrainingStore

MAX_PAGE: Final = 200
MAX_MESSAGE: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPage:
    """Some runs, and what the next page begins with."""

    runs: tuple[TrainingRun, ...]
    next_token: str | None


class TrainingRuns:
    """Training runs: rows here, numbers in MLflow, work in a Ray job."""

    def __init__(self, store: TrainingStore, jobs: Jobs, lineage: LineageGraph, *, clock: Clock | None = None) -> None:
        self._store = store
        self._jobs = jobs
        self._lineage = lineage
        self._clock = clock or SystemClock()

    def create(self, caller: Caller, new: NewTrainingRun, *, traceparent: str | None = None) -> TrainingRun:
        """Begin a run: as a job of its own, or from inside the job that names itself.

        The same run id again answers with the run that it made, and starts the job where that had not come about.

        Raises:
            InvalidError: The specification is wrong, or asks for more than the whole cluster has.
            PermissionDeniedError: The caller may not, or its tenant has no cluster of its own.
            ConflictError: The id is another run's.
        """
        caller.require(Permission.TRAINING_WRITE)
        spec = parse_spec(new.spec)
        if new.job_id is None:
            self._jobs.require_cluster(caller)
            check_fits(spec, self._jobs.capacity())
        run_id = check_submission_id(new.run_id or new_id("train"))
        if self._store.get(caller.scope, run_id) is None:
            self._store.add(caller.scope, self._fresh(caller, run_id, spec, new.job_id))
        run = self._store.get(caller.scope, run_id)
        if run is None or run.spec != spec.document():
            raise ConflictError(
                N_("The id {run_id!r} is another training run's."),
                hint=N_("Choose another id, or none: one is made then."),
                reason="train.id_taken",
                run_id=run_id,
            )
        if new.job_id is None and run.job_id is None and not run.state.is_final:
            self._start(caller, run, new, traceparent)
        return self.get(caller, run_id)

    def get(self, caller: Caller, run_id: str) -> TrainingRun:
        """One run, as its job stands now.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.TRAINING_READ)
        return self._seen(caller, self._required(caller, run_id))

    def list(self, caller: Caller, *, limit: int = 50, token: str | None = None) -> TrainingPage:
        """Runs of the caller's project, the newest first."""
        caller.require(Permission.TRAINING_READ)
        limit = max(1, min(limit, MAX_PAGE))
        before_ns = int(token) if token is not None and token.isdecimal() else None
        found = self._store.page(caller.scope, limit=limit + 1, before_ns=before_ns)
        page = tuple(self._seen(caller, run) for run in found[:limit])
        following = str(page[-1].created_ns) if len(found) > limit else None
        return TrainingPage(runs=page, next_token=following)

    def update(self, caller: Caller, run_id: str, change: TrainingUpdate) -> TrainingRun:
        """Keep what the driver says; a run that has ended stays as it ended.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.TRAINING_WRITE)
        run = self._required(caller, run_id)
        now_ns = self._clock.now_ns()
        values: dict[str, Any] = {}
        for field in ("job_id", "mlflow_run_id", "checkpoint_path", "model"):
            if (value := getattr(change, field)) is not None:
                values[field] = value
        if change.metrics is not None:
            values["metrics"] = {**run.metrics, **change.metrics}
        if change.datasets is not None:
            values["datasets"] = [*change.datasets]
            sources = [Node(kind=NodeKind.DATASET, reference=reference) for reference in change.datasets]
            self._lineage.link(caller, sources, Node(kind=NodeKind.TRAINING_RUN, reference=run_id))
        if change.message is not None:
            values["message"] = change.message[-MAX_MESSAGE:]
        if change.state is not None:
            values["state"] = str(change.state)
            if change.state is TrainingState.RUNNING and run.started_ns is None:
                values["started_ns"] = now_ns
            if change.state.is_final:
                values["ended_ns"] = now_ns
        if values:
            self._store.change(caller.scope, run_id, values)
        return self._required(caller, run_id)

    def cancel(self, caller: Caller, run_id: str) -> TrainingRun:
        """Stop a run with its job; nothing happens where it has ended.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.TRAINING_WRITE)
        run = self._required(caller, run_id)
        if run.state.is_final:
            return run
        if run.job_id is not None:
            self._jobs.stop_any(caller, run.job_id)
        return self.update(caller, run_id, TrainingUpdate(state=TrainingState.STOPPED))

    def _fresh(self, caller: Caller, run_id: str, spec: TrainSpec, job_id: str | None) -> TrainingRun:
        return TrainingRun(
            run_id=run_id,
            name=spec.name,
            state=TrainingState.PENDING,
            spec=spec.document(),
            message="",
            job_id=job_id,
            experiment=spec.experiment_name,
            mlflow_run_id=None,
            datasets=(),
            metrics={},
            checkpoint_path=None,
            model=None,
            created_by=caller.principal,
            created_ns=self._clock.now_ns(),
            started_ns=None,
            ended_ns=None,
        )

    def _start(self, caller: Caller, run: TrainingRun, new: NewTrainingRun, traceparent: str | None) -> None:
        job = JobSpec(
            entrypoint=f"python -m aiplatform.train --run {run.run_id}",
            name=f"training {run.name}"[:128],
            submission_id=run.run_id,
            working_dir=new.working_dir,
            env=new.env,
            metadata={"training_run": run.run_id},
        )
        try:
            started = self._jobs.submit(caller, job, traceparent=traceparent)
        except AIPlatformError as error:
            if not error.retryable:
                failed = TrainingUpdate(state=TrainingState.FAILED, message=str(error))
                self.update(caller, run.run_id, failed)
            raise
        self._store.change(caller.scope, run.run_id, {"job_id": started.job_id})

    def _seen(self, caller: Caller, run: TrainingRun) -> TrainingRun:
        """The run, ended where its job has ended without its driver's last word."""
        if run.state.is_final or run.job_id is None:
            return run
        try:
            job = self._jobs.observe(caller, run.job_id)
        except AIPlatformError:
            return run
        state = None if job is None else after_job(job.state)
        if job is None or state is None:
            return run
        latest = self._required(caller, run.run_id)  # the driver may have spoken while the job was looked at
        if latest.state.is_final:
            return latest
        values = {"state": str(state), "message": job.message[-MAX_MESSAGE:], "ended_ns": job.ended_ns}
        self._store.change(caller.scope, run.run_id, values)
        return replace(latest, state=state, message=job.message[-MAX_MESSAGE:], ended_ns=job.ended_ns)

    def _required(self, caller: Caller, run_id: str) -> TrainingRun:
        run = self._store.get(caller.scope, run_id)
        if run is None:
            raise NotFoundError(
                N_("There is no training run {run_id!r}."),
                hint=N_("`aiplatform training list` shows every run of the project."),
                reason="train.unknown",
                run_id=run_id,
            )
        return run
