"""`aiplatform logs`: what the platform's applications have to say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, console, print_json, say, tr
from aiplatform.core.i18n import N_
from aiplatform.core.settings import load
from aiplatform.gateway.installation import installation
from aiplatform.gateway.logfiles import Line, follow, last_lines, log_files

_POLL_S = 0.3


def command(
    application: Annotated[
        str | None, typer.Argument(help=tr(N_("platform, door, mlflow, worker, ray, or a model's application.")))
    ] = None,
    *,
    wait: Annotated[bool, typer.Option("--follow", "-f", help=tr(N_("Go on with what is added.")))] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help=tr(N_("How many of the last lines.")))] = 50,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))] = None,
    json: JsonOption = False,
) -> None:
    """Show the last lines of all applications, or of one, by time."""
    home = installation(load(flags={"data_dir": data_dir and str(data_dir)})).home
    files = log_files(home, application)
    if not files and not wait:
        say(N_("There are no logs of {name!r}."), name=application or "aiplatform")
        return
    known = {file: file.stat().st_size for _, file in files if file.exists()}
    shown = last_lines(files, lines)
    if json and not wait:
        print_json([line.fields or {"application": line.application, "message": line.text} for line in shown])
        return
    for line in shown:
        _print(line)
    if wait:
        for line in follow(lambda: log_files(home, application), _wait, known):
            _print(line)


def _wait() -> bool:
    time.sleep(_POLL_S)
    return True


def _print(line: Line) -> None:
    when = line.time[11:19]
    head = f"{when} {line.application} " if when else f"{line.application} "
    level = f"{line.level} " if line.level not in {"", "INFO", "DEBUG"} else ""
    console().print(f"{head}{level}{line.text}", markup=False)
    traceback = line.fields.get("traceback") or line.fields.get("exc_text")
    if traceback:
        console().print(str(traceback), markup=False)
