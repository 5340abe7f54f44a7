"""`aiplatform projects`: the parts of a tenant's work."""

from __future__ import annotations

from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)


@app.command("list", help=tr(N_("List the projects that you can work in.")))
def list_projects(*, json: JsonOption = False) -> None:
    """List projects."""
    with Client() as client:
        items = client.get("/api/v1/projects")["items"]
    if json:
        print_json(items)
        return
    print_table(
        [N_("project"), N_("name"), N_("made")], [(one["id"], one["name"], when(one["created_ns"])) for one in items]
    )


@app.command("create", help=tr(N_("Make a project.")))
def create(
    project: Annotated[str, typer.Argument(help=tr(N_("Its id: lower-case letters, digits and hyphens.")))],
    *,
    name: Annotated[str | None, typer.Option("--name", help=tr(N_("Its name, as people read it.")))] = None,
    json: JsonOption = False,
) -> None:
    """Make a project."""
    with Client() as client:
        made = client.post("/api/v1/projects", {"id": project, "name": name})
    if json:
        print_json(made)
        return
    say(N_("Project {name!r} is made."), name=made["id"])
