"""Experiments: what was tried, as a run table and metric charts."""

from __future__ import annotations

import math
from shlex import quote
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.registry.model import ExperimentRun, MetricPoint, MetricSeries
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.experiments import STATUS_TONES, chart_of, chart_rows, run_table

STATE: Final = ("columns", "order", "page", "run")
RUNS_A_PAGE: Final = 50
CHARTED_RUNS: Final = 5
CHARTED_METRICS: Final = 4
MAX_POINTS: Final = 300
STATUS_NAMES: Final = {
    "RUNNING": N_("running"),
    "FINISHED": N_("completed"),
    "FAILED": N_("failed"),
    "KILLED": N_("stopped"),
    "SCHEDULED": N_("queued"),
}


def add_experiments(routes: Routes, site: Site) -> None:
    """The list of experiments, and the page of one."""

    @routes.get(f"{BASE}/experiments", permission=Permission.EXPERIMENTS_READ)
    def experiments(request: Request) -> Response:
        visit = site.visit(request, "experiments")
        found, problem = visit.attempt(lambda: site.services.experiments.list(visit.caller))
        ways = visit.ways(visit.request.url.path, "aiplatform experiments list", "aip.experiments.list()")
        return visit.page("pages/experiments.html", experiments=found or [], problem=problem, ways=ways)

    @routes.get(f"{BASE}/experiments/{{experiment_id}}", permission=Permission.EXPERIMENTS_READ)
    def experiment_page(request: Request, experiment_id: str) -> Response:
        visit = site.visit(request, "experiments")
        experiment = site.services.experiments.get(visit.caller, experiment_id)
        page = site.services.experiments.runs(
            visit.caller,
            [experiment_id],
            order_by=visit.param("order"),
            limit=RUNS_A_PAGE,
            token=visit.param("page"),
        )
        address = visit.address(*STATE)
        charts, problem = visit.attempt(lambda: _charts(site, visit, page.runs))
        return visit.page(
            "pages/experiment.html",
            {
                "experiment": experiment,
                "table": run_table(page.runs, show_all=visit.param("columns") == "all"),
                "address": address,
                "column_tabs": address.tabs(
                    "columns",
                    [("", visit.text(N_("differing"))), ("all", visit.text(N_("all columns")))],
                    visit.param("columns") or "",
                ),
                "next_token": page.next_token,
                "charts": charts or [],
                "charts_problem": problem,
                "tones": STATUS_TONES,
                "status_names": STATUS_NAMES,
                "ways": [
                    *visit.ways(
                        address,
                        f"aiplatform experiments runs {quote(experiment.name)}",
                        f"aip.experiments.runs({experiment.name!r})",
                    ),
                    ("MLflow", f"mlflow.search_runs(experiment_ids=[{experiment.experiment_id!r}])"),
                ],
            },
        )


def _charts(site: Site, visit: Visit, runs: tuple[ExperimentRun, ...]) -> list[dict[str, Any]]:
    """Charts of the metrics that have a history, of the newest runs."""
    charted = runs[:CHARTED_RUNS]
    names = sorted({key for run in charted for key in run.metrics})
    charts: list[dict[str, Any]] = []
    for key in names:
        series = [
            (
                run.name or run.run_id[:8],
                _finite(site.services.experiments.history(visit.caller, run.run_id, key, limit=MAX_POINTS)),
            )
            for run in charted
            if key in run.metrics
        ]
        drawn = [(name, one) for name, one in series if len(one.points) > 1]
        if not drawn:
            continue
        rows, is_cut = chart_rows(drawn)
        description = visit.text(N_("{metric} of {count} runs by step")).format(metric=key, count=len(drawn))
        charts.append(
            {
                "metric": key,
                "data": chart_of(key, drawn, visit.text(N_("step")), description),
                "names": [name for name, _ in drawn],
                "rows": rows,
                "is_cut": is_cut,
                "is_thinned": any(one.num_points > len(one.points) for _, one in drawn),
            }
        )
        if len(charts) == CHARTED_METRICS:
            break
    return charts


def _finite(series: MetricSeries) -> MetricSeries:
    """Without NaN and infinities, which JSON cannot say; the table of runs still shows them."""
    points: tuple[MetricPoint, ...] = tuple(point for point in series.points if math.isfinite(point.value))
    return MetricSeries(run_id=series.run_id, key=series.key, points=points, num_points=series.num_points)
