"""`aiplatform redaction`: what is taken out of traces before they are stored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from aiplatform.cli.console import JsonOption, ProjectOption, console, print_json, print_table, say, tr
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)

RULES = ("secret", "email", "id", "card", "phone")
WholeTenant = Annotated[
    bool, typer.Option("--tenant/--only-project", help=tr(N_("For the whole tenant, or for the project alone.")))
]
Rules = Annotated[
    list[str] | None,
    typer.Option("--rule", help=tr(N_("A rule: secret, email, id, card or phone; may be repeated. Default: all."))),
]
Patterns = Annotated[
    list[str] | None, typer.Option("--pattern", help=tr(N_("A pattern of your own, as NAME=REGEX; may be repeated.")))
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", help=tr(N_("Remove values of attributes with this name, * and ? allowed."))),
]


@app.command("show", help=tr(N_("Show what is redacted in the project.")))
def show(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show the policy in force."""
    with Client(find_credentials(project=project)) as client:
        found = client.get("/api/v1/redaction")
    if json:
        print_json(found)
        return
    policy = found["in_force"]
    if policy is None:
        say(N_("Nothing is redacted. `aiplatform redaction set` turns it on."))
        return
    print_table([N_("what"), N_("value")], [(tr(label), value) for label, value in _facts(found, policy)])


@app.command("set", help=tr(N_("Set what is redacted from now on.")))
def set_policy(
    *,
    rule: Rules = None,
    pattern: Patterns = None,
    attribute: Attributes = None,
    hashed: Annotated[
        bool, typer.Option("--hash", help=tr(N_("Put a keyed hash in its place, equal for equal values.")))
    ] = False,
    tenant: WholeTenant = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Set a policy."""
    body = _policy(rule, pattern, attribute, hashed=hashed)
    with Client(find_credentials(project=project)) as client:
        made = client.put("/api/v1/redaction", body, level=_level(tenant))
    if json:
        print_json(made)
        return
    say(N_("Redaction is set; every process follows within seconds."))


@app.command("remove", help=tr(N_("Redact nothing any more; what was taken out stays out.")))
def remove(*, tenant: WholeTenant = True, project: ProjectOption = None) -> None:
    """Take a policy away."""
    with Client(find_credentials(project=project)) as client:
        client.delete("/api/v1/redaction", level=_level(tenant))
    say(N_("Redaction is removed."))


@app.command("preview", help=tr(N_("Show a text as it would be stored; reads standard input where none is given.")))
def preview(
    text: Annotated[str | None, typer.Argument(help=tr(N_("A text, or JSON.")))] = None,
    *,
    rule: Rules = None,
    pattern: Patterns = None,
    attribute: Attributes = None,
    hashed: Annotated[
        bool, typer.Option("--hash", help=tr(N_("Put a keyed hash in its place, equal for equal values.")))
    ] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Try a policy: the one that the options say, else the one in force."""
    body: dict[str, Any] = {"texts": [sys.stdin.read() if text is None else text]}
    if rule or pattern or attribute or hashed:
        body["policy"] = _policy(rule, pattern, attribute, hashed=hashed)
    with Client(find_credentials(project=project)) as client:
        found = client.post("/api/v1/redaction/preview", body, idempotent=True)
    if json:
        print_json(found)
        return
    console().print(found["texts"][0], markup=False)


def _policy(
    rules: Sequence[str] | None, patterns: Sequence[str] | None, attributes: Sequence[str] | None, *, hashed: bool
) -> dict[str, Any]:
    return {
        "rules": [*(rules or RULES)],
        "patterns": [_pattern(one) for one in patterns or ()],
        "attributes": [*(attributes or ())],
        "replacement": "hash" if hashed else "label",
    }


def _pattern(text: str) -> dict[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals:
        raise InvalidError(
            N_("{text!r} is not a named pattern."),
            hint=N_("Write NAME=REGEX, such as ticket=T-[0-9]+."),
            reason="redaction.option",
            text=text,
        )
    return {"name": name, "pattern": pattern}


def _level(is_tenant: bool) -> str:
    return "tenant" if is_tenant else "project"


def _facts(found: dict[str, Any], policy: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [
        (N_("set for"), tr(N_("the project")) if found["project"] is not None else tr(N_("the whole tenant"))),
        (N_("rules"), ", ".join(policy["rules"]) or None),
        (N_("patterns"), "\n".join(f"{one['name']} = {one['pattern']}" for one in policy["patterns"]) or None),
        (N_("attributes"), ", ".join(policy["attributes"]) or None),
        (N_("in its place"), policy["replacement"]),
    ]
