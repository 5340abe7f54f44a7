"""`aiplatform members`: the people of a tenant."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from aiplatform.cli.console import JsonOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Role

app = typer.Typer(no_args_is_help=True)

EmailArgument = Annotated[str, typer.Argument(help=tr(N_("The member's e-mail address.")))]


@app.command("list", help=tr(N_("List the tenant's members.")))
def list_members(*, json: JsonOption = False) -> None:
    """List members."""
    with Client() as client:
        items = client.get("/api/v1/members")["items"]
    if json:
        print_json(items)
        return
    rows = [(one["email"], one["name"], one["role"], when(one["created_ns"])) for one in items]
    print_table([N_("member"), N_("name"), N_("role"), N_("since")], rows)


@app.command("set", help=tr(N_("Add a member, or give one another role.")))
def put(
    email: EmailArgument,
    *,
    role: Annotated[Role, typer.Option("--role", help=tr(N_("What the member may do.")))] = Role.DEVELOPER,
    name: Annotated[str | None, typer.Option("--name", help=tr(N_("The member's name.")))] = None,
    json: JsonOption = False,
) -> None:
    """Add or change a member."""
    with Client() as client:
        member = client.put(f"/api/v1/members/{quote(email, safe='@')}", {"role": role, "name": name})
    if json:
        print_json(member)
        return
    say(
        N_("{email} is {role} now. `aiplatform keys create --for {email}` makes a key."),
        email=member["email"],
        role=member["role"],
    )


@app.command("remove", help=tr(N_("Take a member out; their keys open nothing from then on.")))
def remove(email: EmailArgument) -> None:
    """Take a member out."""
    with Client() as client:
        client.delete(f"/api/v1/members/{quote(email, safe='@')}")
    say(N_("{email} is no member any more."), email=email)
