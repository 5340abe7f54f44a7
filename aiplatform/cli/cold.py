"""`aiplatform cold`: how long spans stay in the database before they move to files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.retention import WholeTenant
from aiplatform.cli.times import seconds_of
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)


@app.command("show", help=tr(N_("Show when spans move to files, and what lies there.")))
def show(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show the policy in force and what is cold."""
    with Client(find_credentials(project=project)) as client:
        found = client.get("/api/v1/cold")
    if json:
        print_json(found)
        return
    if found["in_force"] is None:
        say(N_("Spans stay in the database. `aiplatform cold set` changes that."))
    else:
        place = tr(N_("the project")) if found["project"] is not None else tr(N_("the whole tenant"))
        say(N_("Spans move to files {days:g} days after their trace ended; set for {place}."),
            days=found["in_force"]["hot_days"], place=place)  # fmt: skip
    if found["num_files"]:
        print_table([N_("what"), N_("value")], _facts(found))
    else:
        say(N_("No span of this project lies in files."))


@app.command("set", help=tr(N_("Set how long spans stay in the database.")))
def set_policy(
    keep: Annotated[str, typer.Argument(help=tr(N_("How long after their trace ended: 7d, 30d.")))],
    *,
    tenant: WholeTenant = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Set a policy."""
    body = {"hot_days": seconds_of(keep) / 86_400}
    with Client(find_credentials(project=project)) as client:
        client.put("/api/v1/cold", body, level="tenant" if tenant else "project")
    if json:
        print_json(body)
        return
    say(N_("It is set; the worker begins within minutes. Spans in files are listed, searched and exported as before."))


@app.command("remove", help=tr(N_("Move no more spans to files.")))
def remove(*, tenant: WholeTenant = True, project: ProjectOption = None) -> None:
    """Take a policy away."""
    with Client(find_credentials(project=project)) as client:
        client.delete("/api/v1/cold", level="tenant" if tenant else "project")
    say(N_("No more spans move. Those in files stay there and are found as before."))


def _facts(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (tr(N_("files")), found["num_files"]),
        (tr(N_("traces")), found["num_traces"]),
        (tr(N_("spans")), found["num_spans"]),
        (tr(N_("bytes")), found["size_bytes"]),
        (tr(N_("first day")), _date(found["first_day"])),
        (tr(N_("last day")), _date(found["last_day"])),
    ]


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
