"""`aiplatform retention`: how long traces are kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import seconds_of, when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)

WholeTenant = Annotated[
    bool, typer.Option("--tenant/--only-project", help=tr(N_("For the whole tenant, or for the project alone.")))
]


@app.command("show", help=tr(N_("Show how long the project's traces are kept.")))
def show(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show the policy in force."""
    with Client(find_credentials(project=project)) as client:
        found = client.get("/api/v1/retention")
    if json:
        print_json(found)
        return
    policy = found["in_force"]
    if policy is None:
        say(N_("Traces are kept for ever. `aiplatform retention set` changes that."))
        return
    place = tr(N_("the project")) if found["project"] is not None else tr(N_("the whole tenant"))
    print_table([N_("what"), N_("value")], [(tr(N_("set for")), place), *_facts(policy)])


@app.command("set", help=tr(N_("Set how long traces are kept, and which are kept for ever.")))
def set_policy(
    keep: Annotated[str, typer.Argument(help=tr(N_("How long after their end: 12h, 30d, 1y.")))],
    *,
    errors: Annotated[bool, typer.Option("--keep-errors", help=tr(N_("Keep traces with errors.")))] = False,
    slower: Annotated[
        str | None, typer.Option("--keep-slower", help=tr(N_("Keep traces that took longer: 10s, 5m.")))
    ] = None,
    costlier: Annotated[
        float | None, typer.Option("--keep-costlier", min=0.0, help=tr(N_("Keep traces that cost more.")))
    ] = None,
    currency: Annotated[
        str,
        typer.Option("--currency", help=tr(N_("Currency of that amount; other currencies are not compared with it."))),
    ] = "USD",
    percent: Annotated[
        float,
        typer.Option("--keep-percent", min=0.0, max=100.0, help=tr(N_("Keep so many of a hundred, by id."))),
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=tr(N_("Tell what would go; set nothing.")))] = False,
    tenant: WholeTenant = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Set a policy, or try it."""
    body = {
        "keep_days": seconds_of(keep) / 86_400,
        "keep_errors": errors,
        "keep_slower_than_s": seconds_of(slower) if slower else None,
        "keep_costlier_than": costlier,
        "keep_costlier_currency": currency,
        "keep_percent": percent,
    }
    with Client(find_credentials(project=project)) as client:
        preview = client.post("/api/v1/retention/preview", {"policy": body}, idempotent=True)
        if not dry_run:
            client.put("/api/v1/retention", body, level="tenant" if tenant else "project")
    if json:
        print_json(preview if dry_run else body)
        return
    if not dry_run:
        say(N_("Retention is set; the worker begins within minutes."))
    _say_preview(preview)


@app.command("remove", help=tr(N_("Keep traces for ever again.")))
def remove(*, tenant: WholeTenant = True, project: ProjectOption = None) -> None:
    """Take a policy away."""
    with Client(find_credentials(project=project)) as client:
        client.delete("/api/v1/retention", level="tenant" if tenant else "project")
    say(N_("Traces are kept for ever."))


def _say_preview(found: dict[str, Any]) -> None:
    say(
        N_("In this project {traces} traces with {spans} spans are to go now; {kept} old ones are kept by a rule."),
        traces=found["num_traces"],
        spans=found["num_spans"],
        kept=found["num_kept_traces"],
    )
    if found["num_traces"]:
        say(N_("They began from {first} to {last}."), first=when(found["oldest_ns"]), last=when(found["newest_ns"]))


def _facts(policy: dict[str, Any]) -> list[tuple[str, Any]]:
    slower, costlier, percent = policy["keep_slower_than_s"], policy["keep_costlier_than"], policy["keep_percent"]
    return [
        (tr(N_("days")), f"{policy['keep_days']:g}"),
        (tr(N_("keeps errors")), tr(N_("yes")) if policy["keep_errors"] else tr(N_("no"))),
        (tr(N_("keeps slower than")), None if slower is None else f"{slower:g} s"),
        (
            tr(N_("keeps costlier than")),
            None if costlier is None else f"{costlier:g} {policy['keep_costlier_currency']}",
        ),
        (tr(N_("keeps by chance")), f"{percent:g} %" if percent else None),
    ]
