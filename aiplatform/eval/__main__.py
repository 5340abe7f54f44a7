"""`python -m aiplatform.eval eval.yaml`: one evaluation run, in the Ray job that this is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_, negotiate, translate
from aiplatform.eval.driver import carry_out
from aiplatform.eval.ordering import order_of, recorded_spec
from aiplatform.eval.spec import load_spec
from aiplatform.eval.terminal import run_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def evaluate(
    spec: Annotated[Path | None, typer.Argument(help=N_("Evaluation specification, a YAML file."))] = None,
    run: Annotated[str | None, typer.Option(help=N_("Id of a run that the platform has recorded."))] = None,
) -> None:
    """Evaluate as a specification says, on the Ray that this runs in, and report to the platform."""
    locale = negotiate(os.environ.get("LANG"))
    if (spec is None) == (run is None):
        typer.echo(translate(N_("Name a specification or `--run`, one of the two."), locale), err=True)
        raise typer.Exit(2)
    try:
        with Client() as client:
            found = load_spec(spec) if spec is not None else recorded_spec(client, run or "")
            done = carry_out(order_of(found, run_id=run, client=client), client, say=typer.echo)
    except AIPlatformError as error:
        typer.echo(error.localized(locale), err=True)
        if hint := error.localized_hint(locale):
            typer.echo(hint, err=True)
        raise typer.Exit(4 if error.http_status == 403 else 1) from None
    for line in run_lines(done, locale):
        typer.echo(line)


if __name__ == "__main__":
    sys.exit(app())
