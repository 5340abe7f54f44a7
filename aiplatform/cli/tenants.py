"""`aiplatform tenants`: the teams on a platform."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from aiplatform.cli.console import ExitCode, JsonOption, console, print_json, print_table, say, tr
from aiplatform.cli.deleting import NowOption, YesOption, confirm, deleted
from aiplatform.cli.times import when
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

app = typer.Typer(no_args_is_help=True)

SpecFile = Annotated[Path, typer.Argument(help=tr(N_("The tenant's specification, a YAML file.")))]
TenantName = Annotated[str, typer.Argument(help=tr(N_("The tenant's id.")))]
_MOMENTS = ("created_ns", "suspended_ns", "delete_after_ns")
_SIGNS = {"create": "+", "update": "~", "remove": "-"}


@app.command("list", help=tr(N_("List every tenant. For platform admins.")))
def list_tenants(*, json: JsonOption = False) -> None:
    """List every tenant."""
    with Client() as client:
        items = client.get("/api/v1/tenants")["items"]
    if json:
        print_json(items)
        return
    print_table(
        [N_("tenant"), N_("name"), N_("made"), N_("suspended since"), N_("goes for good")],
        [(one["id"], one["name"], *(when(one[at]) or "" for at in _MOMENTS)) for one in items],
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
    _show_key(key)


@app.command("apply", help=tr(N_("Make a tenant what a file says; again, it changes nothing. For platform admins.")))
def apply(
    spec: SpecFile,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=tr(N_("Tell what would change; change nothing.")))] = False,
    json: JsonOption = False,
) -> None:
    """Apply a specification."""
    plan = _asked(spec, dry_run=dry_run)
    if json:
        print_json(plan)
        return
    _show_plan(plan)
    if plan["changes"] and not dry_run:
        say(N_("Applied; it is in force everywhere within five seconds."))
    if plan["admin_key"]:
        _show_key(plan["admin_key"])


@app.command("diff", help=tr(N_("Show how a tenant differs from what a file says; exit code 3 where it does.")))
def diff(spec: SpecFile, *, json: JsonOption = False) -> None:
    """Show drift."""
    plan = _asked(spec, dry_run=True)
    if json:
        print_json(plan)
    else:
        _show_plan(plan)
    if plan["changes"]:
        raise typer.Exit(ExitCode.GATE_NOT_PASSED)


@app.command("get", help=tr(N_("Print a tenant's specification as it is now. For platform admins.")))
def get(tenant: TenantName, *, json: JsonOption = False) -> None:
    """Print the specification."""
    with Client() as client:
        found = client.get(f"/api/v1/tenants/{tenant}")
    if json:
        print_json(found)
        return
    console().print(yaml.safe_dump(found["spec"], allow_unicode=True, sort_keys=False).rstrip(), markup=False)


@app.command("usage", help=tr(N_("Show limits and how much of each is used; by default of your own tenant.")))
def usage(
    tenant: Annotated[str | None, typer.Argument(help=tr(N_("Another tenant's id. For platform admins.")))] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Show limits."""
    with Client() as client:
        found = client.get(f"/api/v1/tenants/{tenant}")["quotas"] if tenant else client.get("/api/v1/quotas")["items"]
    if json:
        print_json(found)
        return
    if not found:
        say(N_("Nothing is limited."))
        return
    print_table(
        [N_("limit"), N_("used"), N_("of"), N_("frees")],
        [(one["resource"], f"{one['used']:,}", f"{one['limit']:,}", when(one["frees_ns"])) for one in found],
    )


@app.command("suspend", help=tr(N_("Let nobody of a tenant in; its data stay. For platform admins.")))
def suspend(tenant: TenantName) -> None:
    """Suspend a tenant."""
    with Client() as client:
        client.post(f"/api/v1/tenants/{tenant}:suspend", idempotent=True)
    say(N_("Tenant {name!r} is suspended; its keys open nothing within five seconds."), name=tenant)


@app.command("resume", help=tr(N_("Let a suspended tenant in again. For platform admins.")))
def resume(tenant: TenantName) -> None:
    """Resume a tenant."""
    with Client() as client:
        client.post(f"/api/v1/tenants/{tenant}:resume", idempotent=True)
    say(N_("Tenant {name!r} is let in again."), name=tenant)


@app.command("delete", help=tr(N_("Let nobody of a tenant in, and remove everything of it after seven days.")))
def delete(tenant: TenantName, *, yes: YesOption = False, now: NowOption = False, json: JsonOption = False) -> None:
    """Delete a tenant."""
    confirm(yes, N_("Delete the tenant {name!r} with everything that it has?"), name=tenant)
    with Client() as client:
        gone = deleted(client, f"/api/v1/tenants/{tenant}", now=now)
    if json:
        print_json(gone)
        return
    say(
        N_("Tenant {name!r} is shut and goes for good at {time}. Until then: aiplatform tenants resume {name}"),
        name=tenant,
        time=when(gone["delete_after_ns"]),
    )


@app.command("schema", help=tr(N_("Print the JSON schema of a specification, for editors.")))
def schema() -> None:
    """Print the JSON schema."""
    from aiplatform.tenancy.spec import TenantSpec  # noqa: PLC0415 - pydantic's models are not for every command

    console().print(json_module.dumps(TenantSpec.model_json_schema(), indent=2, ensure_ascii=False), markup=False)


def _asked(spec: Path, *, dry_run: bool) -> dict[str, Any]:
    from aiplatform.tenancy.spec import load_tenant_spec  # noqa: PLC0415 - as above

    found = load_tenant_spec(spec)
    with Client() as client:
        path = f"/api/v1/tenants/{found.tenant}"
        body = found.model_dump(mode="json")
        plan: dict[str, Any] = client.put(path, body, dry_run=dry_run)
    return plan


def _show_plan(plan: dict[str, Any]) -> None:
    if not plan["changes"]:
        say(N_("The tenant is what the specification says."))
    else:
        rows = [(_SIGNS[one["verb"]], one["what"], one["name"], one["before"], one["after"]) for one in plan["changes"]]
        print_table(["", N_("what"), N_("name"), N_("is"), N_("shall be")], rows)
    if plan["unmanaged_projects"]:
        say(
            N_("Projects that the specification does not name stay: {names}."),
            names=", ".join(plan["unmanaged_projects"]),
        )


def _show_key(key: dict[str, Any]) -> None:
    say(N_("The admin's key, shown this once:"))
    console().print(key["key"], markup=False)
