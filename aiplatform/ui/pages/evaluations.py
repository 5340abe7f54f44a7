"""Evaluation runs and comparisons as lists, and the page of one run."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from shlex import quote
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.eval.model import (
    RUN_STATUS_NAMES,
    STATE_NAMES,
    EvaluationRun,
    RunStatus,
    ScoreState,
)
from aiplatform.eval.reporting.content import scorer_lines, signature_lines
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui import formatting
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.comparison import OUTCOME_ICONS, OUTCOME_TONES
from aiplatform.ui.views.runs import headline, metric_lines, slice_table

ROWS_A_PAGE: Final = 10
LIST_SIZE: Final = 50
RUN_TONES: Final = {
    RunStatus.QUEUED: ("dim", "clock"),
    RunStatus.RUNNING: ("run", "play"),
    RunStatus.COMPLETED: ("better", "circle-check"),
    RunStatus.FAILED: ("worse", "circle-x"),
    RunStatus.CANCELLED: ("dim", "circle"),
    RunStatus.CAPPED: ("dim", "circle"),
    RunStatus.INTERRUPTED: ("worse", "circle-x"),
}
RUN_STATE: Final = ("slice", "state", "after")


def add_evaluations(routes: Routes, site: Site) -> None:
    """The list of evaluations and the page of one run."""

    @routes.get(f"{BASE}/evaluations", permission=Permission.EVALUATIONS_READ)
    def evaluations(request: Request) -> Response:
        visit = site.visit(request, "evaluations")
        data = visit.param("data")
        runs = site.services.evaluations.list(visit.caller, limit=LIST_SIZE, after=visit.param("after"), data=data)
        version = progress_version(runs.items)
        if visit.param("v") == version:
            return Response(status_code=204)
        compared = site.services.evaluations.comparisons(visit.caller, limit=10)
        still_open = [run.run_id for run in runs.items if not run.status.is_final]
        return visit.page(
            "pages/evaluations.html",
            {
                "address": visit.address("after", "data"),
                "runs": runs,
                "data": data,
                "version": version,
                "open_rows": ",".join(f"#run-{run_id}" for run_id in still_open),
                "leaderboard_href": f"{visit.base}/leaderboard?{urlencode({'data': data})}" if data else None,
                "comparisons": compared.items,
                "run_tones": RUN_TONES,
                "run_names": RUN_STATUS_NAMES,
                "outcome_tones": OUTCOME_TONES,
                "outcome_icons": OUTCOME_ICONS,
                "ways": visit.ways(
                    visit.address("after", "data"),
                    "aiplatform evaluations list" + (f" --data {quote(data)}" if data else ""),
                    f"aip.evaluations.list({f'data={data!r}' if data else ''})",
                ),
            },
        )

    @routes.get(f"{BASE}/evaluations/{{run_id}}", permission=Permission.EVALUATIONS_READ)
    def run_page(request: Request, run_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        run = site.services.evaluations.get(visit.caller, run_id)
        if visit.param("v") == progress_version([run]):
            return Response(status_code=204)
        return visit.page("pages/evaluation.html", _run_view(site, visit, run))


def progress_version(runs: Sequence[EvaluationRun]) -> str:
    """What a page of runs that are still open is known by: it stays the same while nothing happens."""
    facts = "".join(f"{run.run_id} {run.status} {run.done_rows} {run.error_rows} {run.total_rows};" for run in runs)
    return sha256(facts.encode()).hexdigest()[:16]


def _run_view(site: Site, visit: Visit, run: EvaluationRun) -> dict[str, Any]:
    address = visit.address(*RUN_STATE)
    asked = visit.param("state")
    state = asked if asked in set(ScoreState) else None
    chosen_slice = visit.param("slice")
    rows, problem = (None, None)
    if run.files:
        rows, problem = visit.attempt(
            lambda: site.services.evaluations.rows(
                visit.caller,
                run.run_id,
                limit=ROWS_A_PAGE,
                after=visit.param("after"),
                in_slice=chosen_slice,
                metric=run.primary_metric.name if run.primary_metric and state else None,
                state=state,
            )
        )
    return {
        "run": run,
        "address": address,
        "is_open": not run.status.is_final,
        "version": progress_version([run]),
        "metrics": metric_lines(run.metrics),
        "slices": slice_table(run),
        "chosen_slice": chosen_slice,
        "rows": rows,
        "rows_error": problem,
        "tone": RUN_TONES[run.status],
        "run_names": RUN_STATUS_NAMES,
        "state_names": STATE_NAMES,
        "state_tabs": address.tabs(
            "state",
            [("", visit.text(N_("all"))), *((str(each), visit.text(STATE_NAMES[each])) for each in ScoreState)],
            state or "",
            after=None,
        ),
        "took_ns": (run.ended_ns - run.started_ns) if run.ended_ns and run.started_ns else None,
        "speed": _speed(run),
        "headline": headline(run, visit.text),
        "made": [
            (visit.text(N_("Run")), run.run_id),
            (visit.text(N_("Model")), f"{run.model.kind} {run.model.name} {run.model.version}".strip()),
            (visit.text(N_("Scorers")), "; ".join(f"{name} {values[0]}" for name, values in scorer_lines([run]))),
            *((name, values[0]) for name, values in signature_lines([run])),
            (visit.text(N_("Data set")), run.data.label),
            (visit.text(N_("Hash of the data set")), run.data.hash),
            (visit.text(N_("Hash of the rows")), run.data.rows_hash),
            (visit.text(N_("Clustered by")), run.cluster or "—"),
            (visit.text(N_("Seed")), run.seed),
            (visit.text(N_("Code")), run.code_version),
            *([(visit.text(N_("MLflow run")), run.mlflow_run_id)] if run.mlflow_run_id else []),
            *sorted(run.environment.items()),
        ],
        "ways": visit.ways(address, f"aiplatform evaluations get {run.run_id}", f"aip.evaluations.get({run.run_id!r})"),
    }


def _speed(run: EvaluationRun) -> str:
    if not (run.started_ns and run.ended_ns and run.done_rows):
        return formatting.UNKNOWN
    return formatting.number(run.done_rows / max(1e-9, (run.ended_ns - run.started_ns) / 1e9))
