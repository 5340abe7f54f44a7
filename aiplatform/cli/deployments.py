"""`aiplatform deployments`: list, get, apply, rollback, delete."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from aiplatform.cli.console import JsonOption, ProjectOption, print_json, print_table, say, tr
from aiplatform.client.credentials import find_credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.serve import api
from aiplatform.serve.model import DEFAULT_NUM_CPUS, STATUS_NAMES, Protocol

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=tr(N_("The deployment: the `model` that clients ask for.")))]
_WAIT_TIMEOUT_S: Final = 300.0


@app.command("list", help=tr(N_("Deployments of the project, what needs somebody first.")))
def list_deployments(as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print every deployment."""
    client = _client(project)
    if as_json:
        print_json(client.get("/api/v1/deployments"))
        return
    heads = [N_("name"), N_("state"), N_("replicas"), N_("revision"), N_("target"), N_("why")]
    rows = [
        (
            one.name,
            tr(STATUS_NAMES[one.state.status]),
            f"{one.state.ready_replicas}/{one.spec.replicas}",
            one.revision,
            one.spec.target,
            one.state.message,
        )
        for one in api.list(client=client)
    ]
    print_table(heads, rows, right=[2, 3])


@app.command(help=tr(N_("One deployment with its revisions.")))
def get(name: Name, as_json: JsonOption = False, project: ProjectOption = None) -> None:
    """Print one deployment."""
    client = _client(project)
    if as_json:
        print_json(client.get(f"/api/v1/deployments/{name}"))
        return
    found = api.get(name, client=client)
    facts = [
        (N_("state"), tr(STATUS_NAMES[found.state.status])),
        (N_("why"), found.state.message),
        (N_("replicas"), f"{found.state.ready_replicas}/{found.spec.replicas}"),
        (N_("target"), found.spec.target),
        (N_("class"), found.spec.import_path),
        (N_("protocol"), found.spec.protocol.value),
        (N_("parameters"), json.dumps(dict(found.spec.params), ensure_ascii=False)),
        (N_("description"), found.spec.description or None),
    ]
    print_table([N_("name"), name], [(tr(label), value) for label, value in facts])
    say("")
    heads = [N_("revision"), N_("applied"), N_("by"), N_("target"), N_("restored from")]
    history = api.revisions(name, client=client)
    rows = [(one.number, _time(one.created_ns), one.author, one.spec.target, one.restored_from) for one in history]
    print_table(heads, rows, right=[0, 4])


@app.command(help=tr(N_("Deploy a class or a registered version; the same again changes nothing.")))
def apply(
    name: Annotated[str | None, typer.Argument(help=tr(N_("The `model` that clients ask for.")))] = None,
    cls: Annotated[str | None, typer.Option("--class", help=tr(N_("Class as package.module:Class.")))] = None,
    version: Annotated[str | None, typer.Option(help=tr(N_("Registered version: qa@3 or qa@champion.")))] = None,
    params: Annotated[str, typer.Option(help=tr(N_("Keyword arguments of the class, as JSON.")))] = "{}",
    code: Annotated[
        Path | None, typer.Option(help=tr(N_("Folder of your own modules.")), exists=True, file_okay=False)
    ] = None,
    replicas: Annotated[int, typer.Option(min=0, help=tr(N_("Copies that answer; 0 stops it.")))] = 1,
    num_cpus: Annotated[float, typer.Option(min=0, help=tr(N_("Logical CPUs for each replica.")))] = DEFAULT_NUM_CPUS,
    num_gpus: Annotated[float, typer.Option(min=0, help=tr(N_("GPUs for each replica.")))] = 0.0,
    protocol: Annotated[Protocol, typer.Option(help=tr(N_("What it speaks.")))] = Protocol.CHAT,
    description: Annotated[str, typer.Option(help=tr(N_("What it is, for people.")))] = "",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help=tr(N_("YAML with these fields.")), exists=True, dir_okay=False)
    ] = None,
    wait: Annotated[bool, typer.Option(help=tr(N_("Wait until it answers.")))] = True,
    timeout_s: Annotated[float, typer.Option("--timeout", help=tr(N_("Seconds to wait.")))] = _WAIT_TIMEOUT_S,
    as_json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Apply a deployment."""
    fields: dict[str, Any] = {
        "cls": cls,
        "version": version,
        "params": _json_object(params),
        "code": code,
        "replicas": replicas,
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "protocol": protocol,
        "description": description,
    }
    if file is not None:
        written = _read(file)
        name = name or written.pop("name", None)
        unknown = next((key for key in written if key not in fields and key != "class"), None)
        if unknown is not None:
            raise InvalidError(
                N_("{file!r} has an unknown field {field!r}."),
                hint=N_("`aiplatform deployments apply --help` shows every field."),
                file=str(file),
                field=unknown,
            )
        fields |= {("cls" if key == "class" else key): value for key, value in written.items()}
    if not name:
        raise InvalidError(N_("The deployment needs a name."), hint=N_("aiplatform deployments apply NAME …"))
    applied = api.apply(name, **fields, client=_client(project))
    if wait:
        applied = applied.wait(timeout_s)
    if as_json:
        print_json(applied.spec.as_dict() | {"revision": applied.revision, "status": applied.state.status.value})
        return
    say(
        N_("{name}: revision {revision}, {status}."),
        name=name,
        revision=applied.revision,
        status=tr(STATUS_NAMES[applied.state.status]),
    )


@app.command(help=tr(N_("Want an older revision again; by default the one before.")))
def rollback(
    name: Name,
    to: Annotated[int | None, typer.Option(min=1, help=tr(N_("The revision.")))] = None,
    project: ProjectOption = None,
) -> None:
    """Roll a deployment back."""
    rolled = api.rollback(name, to=to, client=_client(project))
    say(
        N_("{name}: revision {revision} repeats revision {restored}."),
        name=name,
        revision=rolled.revision,
        restored=rolled.deployment.current.restored_from,
    )


@app.command(help=tr(N_("Want a deployment no more.")))
def delete(name: Name, project: ProjectOption = None) -> None:
    """Delete a deployment."""
    api.delete(name, client=_client(project))
    say(N_("{name} is deleted; its replicas end now."), name=name)


def _client(project: str | None) -> Client:
    return Client(find_credentials(project=project))


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidError(N_("--params is not JSON: {problem}."), problem=str(error)) from None
    if not isinstance(value, dict):
        raise InvalidError(N_("--params must be a JSON object."))
    return value


def _read(file: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = str(error)
        raise InvalidError(N_("{file!r} cannot be read: {problem}."), file=str(file), problem=problem) from None
    if not isinstance(value, dict):
        raise InvalidError(N_("{file!r} must hold named fields."), file=str(file))
    return {str(key): field for key, field in value.items()}


def _time(time_ns: int) -> str:
    return datetime.datetime.fromtimestamp(time_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")
