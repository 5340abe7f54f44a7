"""`aiplatform experiments`: list, runs, get, history."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.registry import experiments_api as api

app = typer.Typer(no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help=tr(N_("Id of a run.")))]
RUN_STATES: Final = {
    "RUNNING": N_("Running"),
    "SCHEDULED": N_("Scheduled"),
    "FINISHED": N_("Finished"),
    "FAILED": N_("Failed"),
    "KILLED": N_("Stopped"),
}


@app.command("list", help=tr(N_("Experiments of the project, the newest first.")))
def list_experiments(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """List experiments."""
    with _client(project) as client:
        found = api.list(client=client)
    if as_json:
        print_json([asdict(experiment) for experiment in found])
        return
    if not found:
        say(N_("Nothing has been logged in this project yet."))
        return
    heads = [N_("experiment"), N_("id"), N_("made"), N_("changed")]
    rows = [(one.name, one.experiment_id, when(one.created_ns), when(one.updated_ns)) for one in found]
    print_table(heads, rows)


@app.command(help=tr(N_("Runs of an experiment.")))
def runs(
    experiment: Annotated[str, typer.Argument(help=tr(N_("Name or id of an experiment.")))],
    query: Annotated[str, typer.Argument(help=tr(N_("MLflow's search language: metrics.loss < 0.1")))] = "",
    order_by: Annotated[str | None, typer.Option(help=tr(N_("metrics.accuracy DESC; else the newest first.")))] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help=tr(N_("How many at most.")))] = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """List runs."""
    with _client(project) as client:
        found = api.runs(experiment, query=query, order_by=order_by, limit=limit, client=client)
    if as_json:
        print_json([asdict(run) for run in found])
        return
    if not found:
        say(N_("No run matches."))
        return
    metrics = sorted({key for run in found for key in run.metrics})
    heads = [N_("run"), N_("name"), N_("state"), N_("begun"), *metrics]
    rows = [
        (
            run.run_id,
            run.name,
            tr(RUN_STATES.get(run.status, run.status)),
            when(run.started_ns),
            *(f"{run.metrics[key]:.4g}" if key in run.metrics else None for key in metrics),
        )
        for run in found
    ]
    print_table(heads, rows, right=range(4, 4 + len(metrics)))


@app.command(help=tr(N_("One run with parameters, metrics and tags.")))
def get(run_id: RunId, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one run."""
    with _client(project) as client:
        run = api.run(run_id, client=client)
    if as_json:
        print_json(asdict(run))
        return
    rows = [(tr(N_("state")), tr(RUN_STATES.get(run.status, run.status)))]
    parameter, metric = tr(N_("parameter")), tr(N_("metric"))
    rows += [(f"{parameter} {key}", value) for key, value in sorted(run.params.items())]
    rows += [(f"{metric} {key}", f"{value:.6g}") for key, value in sorted(run.metrics.items())]
    rows += [(key, value) for key, value in sorted(run.tags.items()) if not key.startswith("mlflow.")]
    print_table([N_("run"), run.name or run.run_id], rows)


@app.command(help=tr(N_("How a metric of a run went.")))
def history(
    run_id: RunId,
    metric: Annotated[str, typer.Argument(help=tr(N_("Name of the metric.")))],
    limit: Annotated[int, typer.Option("--limit", "-n", min=4, max=5000, help=tr(N_("How many at most.")))] = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print a metric's history."""
    with _client(project) as client:
        series = api.history(run_id, metric, limit=limit, client=client)
    if as_json:
        print_json(asdict(series))
        return
    print_table([N_("step"), metric], [(point.step, f"{point.value:.6g}") for point in series.points], right=[0, 1])


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))
