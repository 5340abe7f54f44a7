"""`aiplatform tenants`: the teams on a platform."""

from __future__ import annotations

from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, console, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)


@app.command("list", help=tr(N_("List every tenant. For platform admins.")))
def list_tenants(*, json: JsonOption = False) -> None:
    """List every tenant."""
    with Client() as client:
        items = client.get("/api/v1/tenants")["items"]
    if json:
        print_json(items)
        return
    print_table(
        [N_("tenant"), N_("name"), N_("made")], [(one["id"], one["name"], when(one["created_ns"])) for one in items]
    )


@app.command("create", help=tr(N_("Make a tenant, and print its first admin's key once. For platform admins.")))
def create(
    tenant: Annotated[str, typer.Argument(help=tr(N_("Its id: lower-case letters, digits and hyphens.")))],
    *,
    name: Annotated[str | None, typer.Option("--name", help=tr(N_("Its name, as people read it.")))] = None,
    admin: Annotated[str | None, typer.Option("--admin", help=tr(N_("E-mail address of its first admin.")))] = None,
    json: JsonOption = False,
) -> None:
    """Make a tenant."""
    with Client() as client:
        made = client.post("/api/v1/tenants", {"id": tenant, "name": name, "admin_email": admin})
    if json:
        print_json(made)
        return
    key = made["admin_key"]
    say(
        N_("Tenant {name!r} is made, with the project 'default' and the admin {admin}."),
        name=tenant,
        admin=key["owner"].removeprefix("user:"),
    )
    say(N_("The admin's key, shown this once:"))
    console().print(key["key"], markup=False)
