"""`aiplatform traces searches`: save, list, open, rename and delete searches that the project shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.tracing import searches_api as api
from aiplatform.tracing.model import TraceSort

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=tr(N_("Name of the saved search, or its id.")))]


class Last(StrEnum):
    """Ranges of time that end when a search is opened."""

    HALF_HOUR = "30m"
    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    THREE_DAYS = "3d"
    WEEK = "7d"
    MONTH = "30d"


@app.command("list", help=tr(N_("List the project's saved searches.")))
def list_searches(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """List saved searches."""
    with Client(find_credentials(project=project)) as client:
        found = api.searches(client=client)
    if json:
        print_json(found)
        return
    if not found:
        say(N_("No search is saved in this project yet."))
        return
    heads = [N_("name"), N_("query"), N_("time"), N_("order"), N_("made"), N_("by")]
    print_table(heads, [_row(each) for each in found])


@app.command("create", help=tr(N_("Save a search under a name.")))
def create_search(
    name: Annotated[str, typer.Argument(help=tr(N_("Name of the saved search.")))],
    query: Annotated[str, typer.Argument(help=tr(N_("A line of the query language; by default everything.")))] = "",
    *,
    last: Annotated[
        Last | None, typer.Option("--last", help=tr(N_("Only what began so short a time before it is opened.")))
    ] = None,
    sort: Annotated[TraceSort, typer.Option("--sort", help=tr(N_("Order of the list.")))] = TraceSort.NEWEST,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Save a search."""
    with Client(find_credentials(project=project)) as client:
        made = api.save_search(name, query, last=last.value if last else None, sort=sort.value, client=client)
    if json:
        print_json(made)
        return
    say(N_("The search {name!r} is saved."), name=made["name"])


@app.command("open", help=tr(N_("List the traces that a saved search finds now.")))
def open_search(
    name: Name,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help=tr(N_("How many at most.")))] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List what a saved search finds."""
    from aiplatform.cli.traces import print_traces  # noqa: PLC0415 - that module has this one's commands among its own

    with Client(find_credentials(project=project)) as client:
        items = [*api.open_search(name, limit=limit, client=client)]
    print_traces(items, json=json, nothing=N_("No trace matches."))


@app.command("rename", help=tr(N_("Give a saved search another name.")))
def rename_search(
    name: Name,
    new_name: Annotated[str, typer.Argument(help=tr(N_("Its new name.")))],
    *,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Rename a saved search."""
    with Client(find_credentials(project=project)) as client:
        changed = api.change_search(name, new_name=new_name, client=client)
    if json:
        print_json(changed)
        return
    say(N_("It is called {name!r} now."), name=changed["name"])


@app.command("delete", help=tr(N_("Delete a saved search.")))
def delete_search(name: Name, *, project: ProjectOption = None) -> None:
    """Delete a saved search."""
    with Client(find_credentials(project=project)) as client:
        api.delete_search(name, client=client)
    say(N_("The search {name!r} is deleted."), name=name)


def _row(found: dict[str, Any]) -> list[Any]:
    span = found["last"]
    if span is None and (found["from_ns"] is not None or found["to_ns"] is not None):
        span = f"{when(found['from_ns']) or ''} – {when(found['to_ns']) or ''}"
    return [found["name"], found["query"] or None, span, found["sort"], when(found["created_ns"]), found["created_by"]]
