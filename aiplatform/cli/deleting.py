"""Options and questions of commands that delete what can be restored for a while."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aiplatform.cli.console import tr
from aiplatform.client.http import Client
from aiplatform.core.i18n import N_

YesOption = Annotated[bool, typer.Option("--yes", "-y", help=tr(N_("Do not ask.")))]
NowOption = Annotated[
    bool,
    typer.Option("--now", help=tr(N_("Within half a minute instead of after seven days; nothing brings it back."))),
]


def confirm(is_sure: bool, question: str, **fields: Any) -> None:
    """Ask, unless the caller is sure; the command ends where the answer is no."""
    if not is_sure:
        typer.confirm(tr(question, **fields), abort=True, err=True)


def deleted(client: Client, path: str, *, now: bool) -> Any:
    """Delete what is at `path`; returns what it says of itself, with the moment when it goes for good."""
    return client.request("DELETE", path, params={"grace_s": 0.0} if now else None).json()
