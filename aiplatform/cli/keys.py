"""`aiplatform keys`: what opens a tenant."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from aiplatform.cli.console import JsonOption, console, print_json, print_table, say, tr
from aiplatform.cli.times import seconds_of, when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Role

app = typer.Typer(no_args_is_help=True)


@app.command("list", help=tr(N_("List the tenant's keys, by their visible prefix.")))
def list_keys(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help=tr(N_("Keys that have expired or were revoked, too.")))
    ] = False,
    json: JsonOption = False,
) -> None:
    """List keys."""
    with Client() as client:
        items = client.get("/api/v1/keys")["items"]
    shown = items if everything else [one for one in items if _state(one) == N_("active")]
    if json:
        print_json(shown)
        return
    heads = [N_("key"), N_("name"), N_("owner"), N_("role"), N_("project"), N_("state"), N_("last used"), N_("expires")]
    print_table(heads, [_row(one) for one in shown])


@app.command("create", help=tr(N_("Make a key, and print it once.")))
def create(
    name: Annotated[str, typer.Argument(help=tr(N_("What the key is for.")))],
    *,
    role: Annotated[Role, typer.Option("--role", help=tr(N_("At most what you are yourself.")))] = Role.DEVELOPER,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=tr(N_("Limit it to this permission, such as traces.write; may be repeated."))),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", "-p", help=tr(N_("Bind it to this project; by default it opens all.")))
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help=tr(N_("How long it lives: 12h, 30d, 1y; by default for ever.")))
    ] = None,
    member: Annotated[
        str | None, typer.Option("--for", help=tr(N_("The member whose key it is; by default yourself.")))
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a key."""
    body = {
        "name": name,
        "role": role,
        "scopes": scope,
        "project": project,
        "lifetime_s": seconds_of(expires) if expires else None,
        "email": member,
    }
    with Client() as client:
        made = client.post("/api/v1/keys", body)
    if json:
        print_json(made)
        return
    say(N_("The key, shown this once:"))
    console().print(made["key"], markup=False)


@app.command("revoke", help=tr(N_("End a key, and the browser sessions that it began.")))
def revoke(
    key: Annotated[str, typer.Argument(help=tr(N_("Its visible prefix, such as aip_1a2b3c4d.")))],
    *,
    json: JsonOption = False,
) -> None:
    """End a key."""
    with Client() as client:
        revoked = client.post(f"/api/v1/keys/{quote(key, safe='')}:revoke", idempotent=True)
    if json:
        print_json(revoked)
        return
    say(N_("Key {name} is revoked."), name=revoked["id"])


def _row(key: dict[str, Any]) -> tuple[Any, ...]:
    return (
        key["id"],
        key["name"],
        key["owner"].removeprefix("user:"),
        key["role"] if key["scopes"] is None else ", ".join(key["scopes"]),
        key["project"],
        tr(_state(key)),
        when(key["last_used_ns"]),
        when(key["expires_ns"]),
    )


def _state(key: dict[str, Any]) -> str:
    if key["revoked_ns"] is not None:
        return N_("revoked")
    if key["expires_ns"] is not None and key["expires_ns"] <= time.time_ns():
        return N_("expired")
    return N_("active")
