"""`aiplatform audit`: who changed what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aiplatform.cli.console import JsonOption, print_json, print_table, tr
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)


@app.command("list", help=tr(N_("List who changed what, newest first.")))
def list_events(
    *,
    action: Annotated[
        str | None, typer.Option("--action", help=tr(N_("Only this action or noun: keys.create, members.")))
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help=tr(N_("At most so many.")))] = 100,
    json: JsonOption = False,
) -> None:
    """List events of the audit log."""
    items: list[dict[str, Any]] = []
    page: str | None = None
    with Client() as client:
        while len(items) < limit:
            size = min(limit - len(items), 1000)
            answer = client.get("/api/v1/audit", limit=size, page=page, action=action)
            items += answer["items"]
            page = answer["next"]
            if page is None:
                break
    if json:
        print_json(items)
        return
    rows = [(when(one["at_ns"]), one["principal"], one["action"], one["target"], one["request_id"]) for one in items]
    print_table([N_("when"), N_("who"), N_("action"), N_("what"), N_("request")], rows)
