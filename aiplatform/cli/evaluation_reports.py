"""`aiplatform evaluations report` and `leaderboard`: what evaluations came to, to keep and to rank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, console, locale, print_json, say, tr
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.eval import api
from aiplatform.eval.model import to_json
from aiplatform.eval.terminal import leaderboard_view


def add_report_commands(app: typer.Typer) -> None:
    """Add both to the commands of evaluations."""
    app.command(help=tr(N_("Write a report of a run or a comparison: .html, .pdf, .md or .xml for JUnit.")))(report)
    app.command(help=tr(N_("Rank the runs on one data set by a metric, with what the order is worth.")))(leaderboard)


def report(
    of: Annotated[str, typer.Argument(help=tr(N_("Id of a run or of a comparison.")))],
    path: Annotated[Path, typer.Argument(help=tr(N_("File to write; its suffix says what it becomes.")))],
    lang: Annotated[str | None, typer.Option(help=tr(N_("en or zh; by default as the terminal speaks.")))] = None,
    gate: Annotated[str, typer.Option(help=tr(N_("Conditions whose outcome the report tells.")))] = "",
    baseline: Annotated[str | None, typer.Option(help=tr(N_("Run that the gate of a run compares with.")))] = None,
    project: ProjectOption = None,
) -> None:
    """Write the report."""
    client = Client(find_credentials(project=project))
    language = lang or locale()
    if of.startswith("cmp-"):
        written = api.comparison(of, client=client).report(path, lang=language, gate=gate)
    else:
        written = api.get(of, client=client).report(path, lang=language, gate=gate, baseline=baseline)
    say(N_("{path} was written."), path=str(written))


def leaderboard(
    runs: Annotated[list[str] | None, typer.Argument(help=tr(N_("Ids of runs; by default all on the data.")))] = None,
    data: Annotated[str, typer.Option(help=tr(N_("Data set version, python-faq@3.")))] = "",
    on: Annotated[str, typer.Option(help=tr(N_("Metric that ranks; by default the first run's own.")))] = "",
    metric: Annotated[list[str] | None, typer.Option(help=tr(N_("A metric beside it; may be repeated.")))] = None,
    force: Annotated[bool, typer.Option("--force", help=tr(N_("Rank runs of different rows or scorers.")))] = False,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print the runs, the best first."""
    client = Client(find_credentials(project=project))
    found = api.leaderboard(*(runs or ()), data=data, on=on, metrics=metric or (), force=force, client=client)
    if as_json:
        print_json(to_json(found.leaderboard))
        return
    console().print(leaderboard_view(found.leaderboard, locale()))
