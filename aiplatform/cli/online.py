"""`aiplatform online`: list, get, create, stop, start, delete, results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.cli.times import when
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.online import api

app = typer.Typer(no_args_is_help=True)

RuleId = Annotated[str, typer.Argument(help=tr(N_("Id of a rule.")))]


@app.command("list", help=tr(N_("Rules that score live traces, with how far they are.")))
def list_rules(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print rules."""
    client = _client(project)
    if as_json:
        print_json(client.get("/api/v1/online-rules"))
        return
    heads = [N_("id"), N_("name"), N_("rate"), N_("state"), N_("behind"), N_("scored today"), N_("failed today")]
    print_table(heads, [_cells(each) for each in api.list(client=client)], right=[2, 4, 5, 6])


@app.command(help=tr(N_("One rule with how far it is.")))
def get(rule_id: RuleId, project: ProjectOption = None) -> None:
    """Print one rule."""
    print_json(api.get(rule_id, client=_client(project)))


@app.command(help=tr(N_("Make a rule from a YAML file: name, query, rate, scorers, budget_per_day.")))
def create(
    rule: Annotated[Path, typer.Argument(help=tr(N_("The rule, a YAML file.")))], project: ProjectOption = None
) -> None:
    """Make a rule."""
    try:
        written = yaml.safe_load(rule.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            N_("The rule {path!r} cannot be read: {problem}."),
            hint=N_("Check the path, and that the file is YAML."),
            reason="online.unreadable",
            path=str(rule),
            problem=str(error),
        ) from None
    made = _client(project).post("/api/v1/online-rules", written)
    say(N_("{rule_id} scores what arrives from now on."), rule_id=made["rule_id"])


@app.command(help=tr(N_("Stop a rule; what arrives meanwhile waits.")))
def stop(rule_id: RuleId, project: ProjectOption = None) -> None:
    """Stop a rule."""
    api.switch(rule_id, is_enabled=False, client=_client(project))
    say(N_("{rule_id} is stopped."), rule_id=rule_id)


@app.command(help=tr(N_("Let a rule go on where it stood.")))
def start(rule_id: RuleId, project: ProjectOption = None) -> None:
    """Start a rule."""
    found = api.switch(rule_id, is_enabled=True, client=_client(project))
    say(N_("{rule_id} goes on, {lag} s behind."), rule_id=rule_id, lag=f"{found['lag_s']:.0f}")


@app.command(help=tr(N_("Take a rule away; its scores stay.")))
def delete(rule_id: RuleId, project: ProjectOption = None) -> None:
    """Delete a rule."""
    api.delete(rule_id, client=_client(project))
    say(N_("{rule_id} is gone; its scores stay."), rule_id=rule_id)


@app.command(help=tr(N_("The latest that a rule did, with the reason where something failed.")))
def results(
    rule_id: RuleId,
    state: Annotated[str | None, typer.Option(help=tr(N_("scored, failed, not_applicable, over_budget.")))] = None,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Print what a rule did."""
    found = api.results(rule_id, state=state, client=_client(project))
    if as_json:
        print_json([*found])
        return
    heads = [N_("trace"), N_("scorer"), N_("state"), N_("reason"), N_("when")]
    rows = [
        (one["trace_id"], one["scorer"], one["state"], one["reason"][:80], when(one["updated_ns"]) or "—")
        for one in found
    ]
    print_table(heads, rows)


def _cells(rule: dict[str, Any]) -> tuple[str, ...]:
    state = tr(N_("on")) if rule["is_enabled"] else tr(N_("off"))
    today = rule["today"]
    return (
        rule["rule_id"],
        rule["name"],
        f"{rule['rate']:g}",
        rule["error"][:60] or state,
        f"{rule['lag_s']:.0f} s",
        str(today.get("scored", 0)),
        str(today.get("failed", 0)),
    )


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))
