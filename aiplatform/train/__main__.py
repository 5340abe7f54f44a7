"""`python -m aiplatform.train train.yaml`: one training run, in the Ray job that this is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_, negotiate, translate
from aiplatform.train.driver import Driver, fetch_spec
from aiplatform.train.spec import read_spec

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    spec: Annotated[Path | None, typer.Argument(help=N_("Training specification, a YAML file."))] = None,
    run: Annotated[str | None, typer.Option(help=N_("Id of a training run that the platform has made."))] = None,
) -> None:
    """Train as a specification says, on the Ray that this runs in, and report to the platform."""
    locale = negotiate(os.environ.get("LANG"))
    if (spec is None) == (run is None):
        typer.echo(translate(N_("Name a specification or `--run`, one of the two."), locale), err=True)
        raise typer.Exit(2)
    try:
        client = Client()
        driver = Driver(read_spec(spec) if spec else fetch_spec(run or "", client), run_id=run, client=client)
        typer.echo(f"{driver.run_id}")
        finished = driver.run()
    except AIPlatformError as error:
        if trace := error.fields.get("traceback"):
            typer.echo(trace, err=True)
        typer.echo(error.localized(locale), err=True)
        if error.hint:
            typer.echo(error.localized_hint(locale), err=True)
        raise typer.Exit(4 if error.http_status == 403 else 1) from None
    for name, value in sorted(finished["metrics"].items()):
        typer.echo(f"{name:24} {value:g}")
    if finished["model"]:
        typer.echo(finished["model"])


if __name__ == "__main__":
    sys.exit(app())
