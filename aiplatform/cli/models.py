"""`aiplatform models`: list, get, versions, register, promote, demote, download."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.registry import models_api as api
from aiplatform.registry.model import ModelVersion

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(help=tr(N_("A model version: `qa@3`, `qa@champion`, or `qa` for its newest.")))
]
Name = Annotated[str, typer.Argument(help=tr(N_("Name of a model.")))]


@app.command("list", help=tr(N_("Registered models of the project.")))
def list_models(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """List models."""
    with _client(project) as client:
        found = api.list(client=client)
    if as_json:
        print_json([asdict(model) for model in found])
        return
    if not found:
        say(N_("No model is registered in this project yet."))
        return
    heads = [N_("model"), N_("newest"), N_("aliases"), N_("changed"), N_("description")]
    rows = [
        (
            model.name,
            model.latest_version,
            ", ".join(f"{alias} → {version}" for alias, version in sorted(model.aliases.items())) or None,
            when(model.updated_ns),
            model.description or None,
        )
        for model in found
    ]
    print_table(heads, rows, right=[1])


@app.command(help=tr(N_("Every version of a model, the newest first.")))
def versions(name: Name, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """List versions."""
    with _client(project) as client:
        found = api.versions(name, client=client)
    if as_json:
        print_json([asdict(version) for version in found])
        return
    heads = [N_("version"), N_("aliases"), N_("made"), N_("metrics"), N_("trained by"), N_("description")]
    print_table(heads, [_row(version) for version in found], right=[0])


@app.command(help=tr(N_("One version, with what it descends from.")))
def get(reference: Reference, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one version."""
    with _client(project) as client:
        version = api.get(reference, client=client)
    if as_json:
        print_json(asdict(version))
        return
    lineage = version.lineage
    facts = [
        (N_("aliases"), ", ".join(version.aliases) or None),
        (N_("description"), version.description or None),
        (N_("class"), version.loader),
        (N_("metrics"), _metrics(version)),
        (N_("training run"), lineage.training_run_id),
        (N_("data"), ", ".join(lineage.datasets) or None),
        (N_("trained on"), ", ".join(lineage.parent_models) or None),
        (N_("checkpoint"), lineage.checkpoint_path),
        (N_("files"), version.source),
        (N_("made"), when(version.created_ns)),
        (N_("by"), version.created_by or None),
    ]
    print_table([N_("model"), version.reference], [(tr(label), value) for label, value in facts])


@app.command(help=tr(N_("Register a folder, a file or a checkpoint as the next version of a model.")))
def register(
    name: Name,
    source: Annotated[str, typer.Argument(help=tr(N_("Folder, file, or `mlflow-artifacts:` address.")))],
    alias: Annotated[str | None, typer.Option(help=tr(N_("Alias that shall point at it at once.")))] = None,
    loader: Annotated[str | None, typer.Option(help=tr(N_("`module:Class` that makes the model.")))] = None,
    description: Annotated[str, typer.Option(help=tr(N_("What is new in it.")))] = "",
    data: Annotated[list[str] | None, typer.Option(help=tr(N_("Data it was trained on, `faq@3`; repeatable.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Register a version."""
    with _client(project) as client:
        made = api.register(
            source,
            name=name,
            alias=alias,
            loader=loader,
            description=description,
            datasets=data or [],
            client=client,
        )
    if as_json:
        print_json(asdict(made))
        return
    say(N_("{reference} is registered."), reference=made.reference)


@app.command(help=tr(N_("Let an alias point at a version.")))
def promote(
    reference: Reference,
    alias: Annotated[str, typer.Option(help=tr(N_("The alias.")))] = "champion",
    expected: Annotated[
        int | None, typer.Option(help=tr(N_("Version that it points at now; another one is a conflict.")))
    ] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Promote a version."""
    with _client(project) as client:
        version = api.promote(reference, alias=alias, expected=expected, client=client)
    if as_json:
        print_json(asdict(version))
        return
    say(N_("{alias} points at {reference}."), alias=alias, reference=version.reference)


@app.command(help=tr(N_("Take an alias away from a model.")))
def demote(
    name: Name,
    alias: Annotated[str, typer.Option(help=tr(N_("The alias.")))] = "champion",
    project: ProjectOption = None,
) -> None:
    """Take an alias away."""
    with _client(project) as client:
        api.demote(name, alias=alias, client=client)
    say(N_("{alias} of {name} points at nothing."), alias=alias, name=name)


@app.command(help=tr(N_("Fetch a version's files.")))
def download(
    reference: Reference,
    folder: Annotated[Path, typer.Argument(help=tr(N_("Where to keep them.")))],
    project: ProjectOption = None,
) -> None:
    """Download a version."""
    with _client(project) as client:
        api.download(reference, folder, client=client)
    say(N_("{reference} is in {file}."), reference=reference, file=folder)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))


def _row(version: ModelVersion) -> tuple[object, ...]:
    return (
        version.version,
        ", ".join(version.aliases) or None,
        when(version.created_ns),
        _metrics(version),
        version.lineage.training_run_id,
        version.description or None,
    )


def _metrics(version: ModelVersion) -> str | None:
    shown = ", ".join(f"{name} {value:.4g}" for name, value in sorted(version.metrics.items()))
    return shown or None
