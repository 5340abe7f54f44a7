"""Evaluation runs and comparisons over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.eval.leaderboard import MAX_RUNS
from aiplatform.eval.model import (
    CallSums,
    Change,
    CompareOptions,
    Correction,
    DataRef,
    EvaluationRun,
    MetricValue,
    ModelRef,
    NewRun,
    RowFile,
    RunStatus,
    RunUpdate,
    ScorerRef,
    ScoreState,
    SliceMetrics,
    to_json,
)
from aiplatform.eval.reporting.routes import add_report_routes
from aiplatform.eval.reporting.service import Reports
from aiplatform.eval.service import EvaluationService
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

MAX_SCORERS: Final = 100

Name = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RunBody(_Body):
    """An evaluation run to record, and with `start` to carry out."""

    name: Name
    run_id: str | None = None
    """The caller's own id: sending it again answers with the run that it made."""

    label: Annotated[str, Field(max_length=200)] = ""
    data: DataRef = DataRef()
    model: ModelRef = ModelRef()
    scorers: Annotated[tuple[ScorerRef, ...], Field(max_length=MAX_SCORERS)] = ()
    slices: tuple[str, ...] = ()
    primary: str = ""
    cluster: str = ""
    total_rows: Annotated[int, Field(ge=0)] | None = None
    seed: int = 0
    code_version: str = ""
    environment: dict[str, str] = {}
    spec: dict[str, Any] | None = None
    """What to carry out, as in the specification file."""

    start: bool = False
    """Whether the platform submits a job for it."""


class UpdateBody(_Body):
    """Progress or result of a run, from its driver. What is left out stays as it is."""

    status: RunStatus | None = None
    done_rows: Annotated[int, Field(ge=0)] | None = None
    total_rows: Annotated[int, Field(ge=0)] | None = None
    error_rows: Annotated[int, Field(ge=0)] | None = None
    data: DataRef | None = None
    scorers: tuple[ScorerRef, ...] | None = None
    slices: tuple[str, ...] | None = None
    primary: str | None = None
    cluster: str | None = None
    metrics: tuple[MetricValue, ...] | None = None
    slice_metrics: tuple[SliceMetrics, ...] | None = None
    files: tuple[RowFile, ...] | None = None
    seed: int | None = None
    code_version: str | None = None
    environment: dict[str, str] | None = None
    model: ModelRef | None = None
    label: str | None = None
    error: Annotated[str, Field(max_length=20_000)] | None = None
    job_id: str | None = None
    mlflow_run_id: Annotated[str, Field(max_length=64)] | None = None
    spec: dict[str, Any] | None = None
    calls: CallSums | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Which attempt says so: one that was superseded is refused."""


class ResumeBody(_Body):
    """How to resume."""

    start: bool = True
    """Whether the platform submits a job; else the caller's own process goes on with it."""

    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None


class GateBody(_Body):
    """A gate to check."""

    gate: Annotated[str, Field(min_length=1, max_length=4000)]
    baseline: str | None = None
    """Run to compare with, where the gate asks for it."""


class ComparisonBody(_Body):
    """Runs to compare with a baseline."""

    baseline: str
    candidates: Annotated[tuple[str, ...], Field(min_length=1)]
    name: Annotated[str, Field(max_length=200)] = ""
    on: str = ""
    """Primary metric; by default the baseline's own."""

    metrics: tuple[str, ...] = ()
    gate: Annotated[str, Field(max_length=4000)] = ""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: int = 0
    draws: Annotated[int, Field(ge=200, le=100_000)] = 10_000
    test: Annotated[str, Field(pattern="^(bootstrap|wilcoxon|t)$")] = "bootstrap"
    correction: Correction = Correction.HOLM
    cluster: str = ""
    slices: tuple[str, ...] = ()
    force: bool = False


class ComparisonGateBody(_Body):
    """A gate to check on every candidate."""

    gate: Annotated[str, Field(min_length=1, max_length=4000)]


def build_routes(service: EvaluationService) -> Routes:
    """The routes of evaluation runs and comparisons."""
    routes = Routes(tags=["evaluations"])
    _add_run_routes(routes, service)
    _add_comparison_routes(routes, service)
    add_report_routes(routes, Reports(service))
    return routes


def run_view(run: EvaluationRun) -> dict[str, Any]:
    """A run as it is answered: every metric with its coverage beside it."""
    view: dict[str, Any] = to_json(run)
    for metrics, shown in ((run.metrics, view["metrics"]), *_slices(run, view)):
        for metric, entry in zip(metrics, shown, strict=True):
            entry["coverage"] = metric.coverage
    return view


def _slices(run: EvaluationRun, view: dict[str, Any]) -> list[tuple[tuple[MetricValue, ...], Any]]:
    return [
        (part.metrics, entry["metrics"]) for part, entry in zip(run.slice_metrics, view["slice_metrics"], strict=True)
    ]


def _add_run_routes(routes: Routes, service: EvaluationService) -> None:
    @routes.post("/api/v1/evaluations", permission=Permission.EVALUATIONS_WRITE, status_code=201)
    def create_evaluation(body: RunBody, caller: CallerDep) -> dict[str, Any]:
        """Record an evaluation run; with `start` a job on the tenant's Ray cluster carries it out."""
        new = NewRun(**{name: getattr(body, name) for name in RunBody.model_fields if name != "start"})
        return run_view(service.create(caller, new, start=body.start))

    @routes.get("/api/v1/evaluations", permission=Permission.EVALUATIONS_READ)
    def list_evaluations(
        caller: CallerDep,
        limit: Limit = 50,
        after: str | None = None,
        data: str | None = None,
        status: RunStatus | None = None,
    ) -> dict[str, Any]:
        """Evaluation runs of the project, newest first."""
        page = service.list(caller, limit=limit, after=after, data=data, status=status)
        return {"items": [run_view(run) for run in page.items], "next": page.next}

    @routes.get("/api/v1/leaderboard", permission=Permission.EVALUATIONS_READ)
    def get_leaderboard(
        caller: CallerDep,
        run: Annotated[list[str] | None, Query(max_length=MAX_RUNS)] = None,
        data: str = "",
        on: str = "",
        metric: Annotated[list[str] | None, Query(max_length=MAX_SCORERS)] = None,
        force: bool = False,
    ) -> dict[str, Any]:
        """Runs in the order of a metric: those of `run`, commas between, else the newest of every name on `data`."""
        run_ids = [run_id for each in run or () for run_id in each.split(",") if run_id]
        found = service.leaderboard(caller, run_ids, data=data, on=on, metrics=metric or (), force=force)
        result: dict[str, Any] = to_json(found)
        return result

    @routes.get("/api/v1/evaluations/{run_id}", permission=Permission.EVALUATIONS_READ)
    def get_evaluation(run_id: str, caller: CallerDep) -> dict[str, Any]:
        """One evaluation run."""
        return run_view(service.get(caller, run_id))

    @routes.patch("/api/v1/evaluations/{run_id}", permission=Permission.EVALUATIONS_WRITE)
    def update_evaluation(run_id: str, body: UpdateBody, caller: CallerDep) -> dict[str, Any]:
        """Progress or result, from the run's driver; a run that has ended stays as it ended."""
        change = RunUpdate(**{name: getattr(body, name) for name in UpdateBody.model_fields})
        return run_view(service.update(caller, run_id, change))

    @routes.post("/api/v1/evaluations/{run_id}:cancel", permission=Permission.EVALUATIONS_WRITE)
    def cancel_evaluation(run_id: str, caller: CallerDep) -> dict[str, Any]:
        """Stop a run; one that has ended stays as it is."""
        return run_view(service.cancel(caller, run_id))

    @routes.post("/api/v1/evaluations/{run_id}:resume", permission=Permission.EVALUATIONS_WRITE)
    def resume_evaluation(run_id: str, caller: CallerDep, body: ResumeBody | None = None) -> dict[str, Any]:
        """Let a run go on that ended without its result: what is done stays, and no answer is paid for again."""
        asked = body or ResumeBody()
        caps = {name: value for name, value in asked.model_dump(exclude={"start"}).items() if value is not None}
        return run_view(service.resume(caller, run_id, start=asked.start, caps=caps))

    @routes.post("/api/v1/evaluations/{run_id}:gate", permission=Permission.EVALUATIONS_READ)
    def gate_evaluation(run_id: str, body: GateBody, caller: CallerDep) -> dict[str, Any]:
        """Check one gate on one run; nothing is kept."""
        result: dict[str, Any] = to_json(service.check_gate(caller, run_id, body.gate, baseline=body.baseline))
        return result

    @routes.get("/api/v1/evaluations/{run_id}/rows", permission=Permission.EVALUATIONS_READ)
    def list_evaluation_rows(
        run_id: str,
        caller: CallerDep,
        in_slice: Annotated[str | None, Query(alias="slice")] = None,
        metric: str | None = None,
        state: ScoreState | None = None,
        limit: Limit = 50,
        after: str | None = None,
    ) -> dict[str, Any]:
        """Row results of a run, in the order of their ids."""
        wanted = str(state) if state else None
        page = service.rows(caller, run_id, limit=limit, after=after, in_slice=in_slice, metric=metric, state=wanted)
        return {"items": [to_json(row) for row in page.items], "total": page.total, "next": page.next}


def _add_comparison_routes(routes: Routes, service: EvaluationService) -> None:
    @routes.post("/api/v1/comparisons", permission=Permission.EVALUATIONS_WRITE, status_code=201)
    def create_comparison(body: ComparisonBody, caller: CallerDep) -> dict[str, Any]:
        """Compare runs with a baseline, and keep the result."""
        names = set(ComparisonBody.model_fields) - {"baseline", "candidates", "name"}
        options = CompareOptions(**{name: getattr(body, name) for name in names})
        made = service.compare(caller, body.baseline, body.candidates, options, name=body.name)
        result: dict[str, Any] = to_json(made)
        return result

    @routes.get("/api/v1/comparisons", permission=Permission.EVALUATIONS_READ)
    def list_comparisons(caller: CallerDep, limit: Limit = 50, after: str | None = None) -> dict[str, Any]:
        """Comparisons of the project, newest first."""
        page = service.comparisons(caller, limit=limit, after=after)
        return {"items": [to_json(each) for each in page.items], "next": page.next}

    @routes.get("/api/v1/comparisons/{comparison_id}", permission=Permission.EVALUATIONS_READ)
    def get_comparison(comparison_id: str, caller: CallerDep) -> dict[str, Any]:
        """One comparison."""
        result: dict[str, Any] = to_json(service.comparison(caller, comparison_id))
        return result

    @routes.post("/api/v1/comparisons/{comparison_id}:gate", permission=Permission.EVALUATIONS_READ)
    def gate_comparison(comparison_id: str, body: ComparisonGateBody, caller: CallerDep) -> dict[str, Any]:
        """Check one gate on every candidate; nothing is kept."""
        return {"items": [to_json(gate) for gate in service.gate_comparison(caller, comparison_id, body.gate)]}

    @routes.get("/api/v1/comparisons/{comparison_id}/rows", permission=Permission.EVALUATIONS_READ)
    def list_comparison_rows(
        comparison_id: str,
        caller: CallerDep,
        candidate: str | None = None,
        metric: str | None = None,
        change: Change | None = None,
        in_slice: Annotated[str | None, Query(alias="slice")] = None,
        limit: Limit = 20,
        after: str | None = None,
    ) -> dict[str, Any]:
        """Compared rows with both outputs, regressions first."""
        page = service.comparison_rows(
            caller,
            comparison_id,
            candidate=candidate,
            metric=metric,
            change=change,
            in_slice=in_slice,
            limit=limit,
            after=after,
        )
        items = [to_json(row) for row in page.items]
        return {"items": items, "counts": to_json(page.counts), "next": page.next}
