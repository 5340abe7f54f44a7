"""`aiplatform down`: stop the platform; data stay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aiplatform.cli.console import JsonOption, print_json, say, tr
from aiplatform.core.i18n import N_
from aiplatform.core.settings import load
from aiplatform.gateway.installation import installation
from aiplatform.gateway.lifecycle import down


def command(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help=tr(N_("Settings file (TOML).")))] = None,
    json: JsonOption = False,
) -> None:
    """End every process of the platform, in whatever state it is. Data stay."""
    loaded = load(file=settings, flags={"data_dir": data_dir and str(data_dir)})
    ended = down(installation(loaded))
    if json:
        print_json({"ended": ended})
    elif ended:
        say(N_("Stopped; {count} processes ended. Data stay in {path}."), count=ended, path=loaded.settings.data_dir)
    else:
        say(N_("The platform does not run."))
