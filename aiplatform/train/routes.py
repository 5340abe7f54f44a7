"""Training runs over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.train.model import NewTrainingRun, TrainingRun, TrainingState, TrainingUpdate
from aiplatform.train.service import TrainingRuns


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class TrainingBody(_Body):
    """A training run to begin."""

    spec: dict[str, Any]
    """The specification, as in the YAML file."""

    run_id: str | None = None
    """The caller's own id: sending it again answers with the first run."""

    job_id: str | None = None
    """The Ray job that the caller runs in; without it a job is started."""

    working_dir: str | None = None
    """Artifact path of a zip with the code."""

    env: dict[str, str] = {}


class TrainingChange(_Body):
    """What a driver says about its run."""

    state: TrainingState | None = None
    message: Annotated[str | None, Field(max_length=1_000_000)] = None
    job_id: str | None = None
    mlflow_run_id: str | None = None
    datasets: list[str] | None = None
    metrics: dict[str, float] | None = None
    checkpoint_path: str | None = None
    model: str | None = None


class TrainingView(BaseModel):
    """A training run as it is answered."""

    run_id: str
    name: str
    state: str
    spec: dict[str, Any]
    message: str
    job_id: str | None
    experiment: str
    mlflow_run_id: str | None
    datasets: list[str]
    metrics: dict[str, float]
    checkpoint_path: str | None
    model: str | None
    created_by: str
    created_ns: int
    started_ns: int | None
    ended_ns: int | None


def build_routes(training: TrainingRuns) -> Routes:
    """The routes of training runs."""
    routes = Routes(tags=["training-runs"])

    @routes.post("/api/v1/training-runs", permission=Permission.TRAINING_WRITE, status_code=201)
    def create_training_run(
        body: TrainingBody, caller: CallerDep, traceparent: Annotated[str | None, Header()] = None
    ) -> TrainingView:
        """Begin a training run, as a Ray job of its own or from inside one."""
        new = NewTrainingRun(
            spec=body.spec, run_id=body.run_id, job_id=body.job_id, working_dir=body.working_dir, env=body.env
        )
        return view(training.create(caller, new, traceparent=traceparent))

    @routes.get("/api/v1/training-runs", permission=Permission.TRAINING_READ)
    def list_training_runs(
        caller: CallerDep, limit: Annotated[int, Query(ge=1, le=200)] = 50, token: str | None = None
    ) -> dict[str, Any]:
        """Training runs of the project, the newest first."""
        page = training.list(caller, limit=limit, token=token)
        return {"items": [view(run) for run in page.runs], "next": page.next_token}

    @routes.get("/api/v1/training-runs/{run_id}", permission=Permission.TRAINING_READ)
    def get_training_run(run_id: str, caller: CallerDep) -> TrainingView:
        """One training run."""
        return view(training.get(caller, run_id))

    @routes.patch("/api/v1/training-runs/{run_id}", permission=Permission.TRAINING_WRITE)
    def update_training_run(run_id: str, body: TrainingChange, caller: CallerDep) -> TrainingView:
        """What a driver says about its run; a run that has ended stays as it ended."""
        change = TrainingUpdate(
            state=body.state,
            message=body.message,
            job_id=body.job_id,
            mlflow_run_id=body.mlflow_run_id,
            datasets=None if body.datasets is None else tuple(body.datasets),
            metrics=body.metrics,
            checkpoint_path=body.checkpoint_path,
            model=body.model,
        )
        return view(training.update(caller, run_id, change))

    @routes.post("/api/v1/training-runs/{run_id}:cancel", permission=Permission.TRAINING_WRITE)
    def cancel_training_run(run_id: str, caller: CallerDep) -> TrainingView:
        """Stop a training run with its job; nothing happens where it has ended."""
        return view(training.cancel(caller, run_id))

    return routes


def view(run: TrainingRun) -> TrainingView:
    """The run as it is answered."""
    return TrainingView(
        run_id=run.run_id,
        name=run.name,
        state=str(run.state),
        spec=dict(run.spec),
        message=run.message,
        job_id=run.job_id,
        experiment=run.experiment,
        mlflow_run_id=run.mlflow_run_id,
        datasets=[*run.datasets],
        metrics=dict(run.metrics),
        checkpoint_path=run.checkpoint_path,
        model=run.model,
        created_by=run.created_by,
        created_ns=run.created_ns,
        started_ns=run.started_ns,
        ended_ns=run.ended_ns,
    )
