"""`aiplatform training`: run, list, get, logs, cancel, spec."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from aiplatform.cli.console import ExitCode, JsonOption, ProjectOption, console, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.train import api
from aiplatform.train.model import STATE_NAMES, TrainingRun, TrainingState
from aiplatform.train.spec import TrainSpec

app = typer.Typer(no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help=tr(N_("Id of a training run.")))]


@app.command(help=tr(N_("Begin a training run as a specification says, on the tenant's Ray cluster.")))
def run(
    spec: Annotated[Path, typer.Argument(help=tr(N_("Training specification, a YAML file.")))],
    working_dir: Annotated[
        Path | None,
        typer.Option(help=tr(N_("Folder with the code; by default the file's own.")), exists=True, file_okay=False),
    ] = None,
    run_id: Annotated[str | None, typer.Option(help=tr(N_("Your own id: the same again begins nothing new.")))] = None,
    wait: Annotated[bool, typer.Option(help=tr(N_("Show what it prints, and wait until it ends.")))] = True,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Begin a training run."""
    with _client(project) as client:
        handle = api.run(spec, working_dir=working_dir, run_id=run_id, client=client)
        if not as_json:
            say(N_("Training run {run_id} has begun."), run_id=handle.run_id)
            if wait:
                for piece in handle.logs(follow=True):
                    sys.stdout.write(piece)
                    sys.stdout.flush()
        if wait:
            handle = handle.settled()
        if as_json:
            print_json(asdict(handle.run))
        elif wait:
            _show(handle.run)
        if wait and handle.state is not TrainingState.SUCCEEDED:
            raise typer.Exit(ExitCode.FAILED)


@app.command("list", help=tr(N_("Training runs of the project, the newest first.")))
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help=tr(N_("How many at most.")))] = 20,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """List training runs."""
    with _client(project) as client:
        runs = [handle.run for handle in api.list(limit=limit, client=client)]
    if as_json:
        print_json([asdict(run) for run in runs])
        return
    if not runs:
        say(N_("Nothing has been trained in this project yet."))
        return
    heads = [N_("training run"), N_("name"), N_("state"), N_("begun"), N_("model"), N_("metrics")]
    print_table(heads, [_row(run) for run in runs])


@app.command(help=tr(N_("One training run.")))
def get(run_id: RunId, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one training run."""
    with _client(project) as client:
        found = api.get(run_id, client=client).run
    if as_json:
        print_json(asdict(found))
        return
    _show(found)


@app.command(help=tr(N_("What a training run's job printed.")))
def logs(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=tr(N_("Go on until it ends.")))] = False,
    project: ProjectOption = None,
) -> None:
    """Print a training run's log."""
    with _client(project) as client:
        for piece in api.get(run_id, client=client).logs(follow=follow):
            sys.stdout.write(piece)
            sys.stdout.flush()


@app.command(help=tr(N_("Stop a training run.")))
def cancel(run_id: RunId, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Stop a training run."""
    with _client(project) as client:
        found = api.cancel(run_id, client=client).run
    if as_json:
        print_json(asdict(found))
        return
    say(N_("Training run {run_id}: {state}."), run_id=found.run_id, state=tr(STATE_NAMES[found.state]))


@app.command(help=tr(N_("Every field of a training specification, with its meaning.")))
def spec(as_json: JsonOption = False) -> None:
    """Print the fields of a specification."""
    schema = TrainSpec.model_json_schema(by_alias=True)
    if as_json:
        print_json(schema)
        return
    rows = [*_fields(schema, schema)]
    print_table([N_("field"), N_("default"), N_("meaning")], rows)


def _fields(schema: dict[str, Any], part: dict[str, Any], prefix: str = "") -> list[tuple[str, str | None, str]]:
    rows = []
    for name, field in part["properties"].items():
        inner = _section(schema, field)
        needed = name in part.get("required", ())
        default = tr(N_("needed")) if needed else None if inner else str(field.get("default", ""))
        rows.append((f"{prefix}{name}", default, tr(field.get("description", ""))))
        if inner:
            rows += _fields(schema, inner, f"{prefix}{name}.")
    return rows


def _section(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any] | None:
    """What a field that is a section of its own holds; None for a plain field."""
    options = [field, *field.get("anyOf", ())]
    reference = next((option["$ref"] for option in options if "$ref" in option), None)
    return None if reference is None else schema["$defs"][reference.rpartition("/")[2]]


def _show(found: TrainingRun) -> None:
    facts = [
        (N_("name"), found.name),
        (N_("state"), tr(STATE_NAMES[found.state])),
        (N_("experiment"), found.experiment),
        (N_("data"), ", ".join(found.datasets) or None),
        (N_("begun"), when(found.created_ns)),
        (N_("ended"), when(found.ended_ns)),
        (N_("metrics"), _metrics(found) or None),
        (N_("model"), found.model),
        (N_("checkpoint"), found.checkpoint_path),
        (N_("job"), found.job_id),
    ]
    print_table([N_("training run"), found.run_id], [(tr(label), value) for label, value in facts])
    if found.message:
        console().print(f"\n{found.message}", markup=False)


def _row(found: TrainingRun) -> tuple[str | None, ...]:
    state = tr(STATE_NAMES[found.state])
    return found.run_id, found.name, state, when(found.created_ns), found.model, _metrics(found)


def _metrics(found: TrainingRun) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(found.metrics.items()))


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))
