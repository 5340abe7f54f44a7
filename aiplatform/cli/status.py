"""`aiplatform status`: whether the platform runs, and what of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from aiplatform.cli.console import ExitCode, JsonOption, console, print_json, say, tr
from aiplatform.client.credentials import find_credentials
from aiplatform.core.i18n import N_
from aiplatform.core.settings import load

_APPLICATION_STATES: Final = {
    "NOT_STARTED": N_("not started"),
    "DEPLOYING": N_("starting"),
    "RUNNING": N_("running"),
    "UNHEALTHY": N_("unhealthy"),
    "DEPLOY_FAILED": N_("failed to start"),
    "DELETING": N_("ending"),
}
"""Ray Serve's words for the state of an application."""


def command(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help=tr(N_("Settings file (TOML).")))] = None,
    json: JsonOption = False,
) -> None:
    """Tell whether the platform runs. Ends with code 1 where it does not."""
    try:
        from aiplatform.gateway.installation import installation  # noqa: PLC0415 - needs more than the light client
        from aiplatform.gateway.status import look  # noqa: PLC0415 - needs more than the light client
    except ModuleNotFoundError:
        _remote(as_json=json)
        return
    loaded = load(file=settings, flags={"data_dir": data_dir and str(data_dir)})
    status = look(installation(loaded))
    if json:
        print_json({**asdict(status), "url": status.url})
    elif not status.num_processes:
        say(N_("The platform does not run. `aiplatform up` starts it."))
    else:
        _show(status)
    if not status.is_ready:
        raise typer.Exit(ExitCode.FAILED)


def _remote(*, as_json: bool) -> None:
    """All that a machine without the platform itself can tell."""
    url = find_credentials().url
    try:
        is_ready = httpx.get(f"{url}/readyz", timeout=10.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        is_ready = False
    if as_json:
        print_json({"url": url, "is_ready": is_ready})
    elif is_ready:
        say(N_("The platform at {url} is ready."), url=url)
    else:
        say(N_("The platform at {url} does not answer, or is not ready."), url=url)
    if not is_ready:
        raise typer.Exit(ExitCode.FAILED)


def _show(status: Any) -> None:
    state = tr(N_("ready")) if status.is_ready else tr(N_("not ready"))
    console().print(f"aiplatform {status.version} · {status.url} · {state}", markup=False)
    seconds = (time.time_ns() - status.started_ns) / 1e9 if status.started_ns else None
    ray = tr(N_("alive")) if status.is_ray_alive else tr(N_("dead"))
    parts = [ray, tr(N_("{count} processes, {memory:.1f} GiB"), count=status.num_processes, memory=_gib(status))]
    if seconds is not None:
        parts.append(tr(N_("up for {duration}"), duration=_duration(seconds)))
    width = max([len(one.name) for one in status.applications] + [len("platform")]) + 3
    console().print(f"  {'Ray':<{width}}{' · '.join(parts)}", markup=False)
    for application in sorted(status.applications, key=lambda one: (one.name.startswith("model-"), one.name)):
        text = tr(_APPLICATION_STATES.get(application.status, application.status))
        problem = f": {application.problem}" if application.problem else ""
        console().print(f"  {application.name:<{width}}{text}{problem}", markup=False)
    if status.otlp_grpc_address:
        console().print(f"  {'gRPC':<{width}}{status.otlp_grpc_address} · OTLP", markup=False)
    if status.problem:
        console().print(f"  ! {status.problem}", markup=False)


def _gib(status: Any) -> float:
    return float(status.memory_bytes) / 1024**3


def _duration(seconds: float) -> str:
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
