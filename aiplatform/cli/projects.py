"""`aiplatform projects`: the parts of a tenant's work."""

from __future__ import annotations

from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, print_json, print_table, say, tr
from aiplatform.cli.deleting import NowOption, YesOption, confirm, deleted
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)


Name = Annotated[str, typer.Argument(help=tr(N_("The project's id.")))]


@app.command("list", help=tr(N_("List the projects that you can work in.")))
def list_projects(
    *,
    only_deleted: Annotated[
        bool, typer.Option("--deleted", help=tr(N_("Those that are deleted and can still be restored.")))
    ] = False,
    json: JsonOption = False,
) -> None:
    """List projects."""
    with Client() as client:
        items = client.get("/api/v1/projects", deleted=only_deleted)["items"]
    if json:
        print_json(items)
        return
    if only_deleted:
        print_table(
            [N_("project"), N_("name"), N_("goes for good")],
            [(one["id"], one["name"], when(one["delete_after_ns"])) for one in items],
        )
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


@app.command("rename", help=tr(N_("Give a project another name; its id stays.")))
def rename(project: Name, name: Annotated[str, typer.Argument(help=tr(N_("Its name, as people read it.")))]) -> None:
    """Rename a project."""
    with Client() as client:
        client.request("PATCH", f"/api/v1/projects/{project}", json={"name": name}, idempotent=True)
    say(N_("Project {name!r} is now called {called!r}."), name=project, called=name)


@app.command("delete", help=tr(N_("Hide a project, and remove everything of it after seven days.")))
def delete(project: Name, *, yes: YesOption = False, now: NowOption = False, json: JsonOption = False) -> None:
    """Delete a project."""
    confirm(yes, N_("Delete the project {name!r} with its traces, data sets, models and deployments?"), name=project)
    with Client() as client:
        gone = deleted(client, f"/api/v1/projects/{project}", now=now)
    if json:
        print_json(gone)
        return
    say(
        N_("Project {name!r} is hidden and goes for good at {time}. Until then: aiplatform projects restore {name}"),
        name=project,
        time=when(gone["delete_after_ns"]),
    )


@app.command("restore", help=tr(N_("Take the deletion of a project back.")))
def restore(project: Name) -> None:
    """Restore a project."""
    with Client() as client:
        client.post(f"/api/v1/projects/{project}:restore", idempotent=True)
    say(N_("Project {name!r} is there again."), name=project)
