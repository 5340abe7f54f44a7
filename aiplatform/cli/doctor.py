"""`aiplatform doctor`: look at this machine for what the platform needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from aiplatform.cli.console import ExitCode, JsonOption, console, padded, print_json, tr
from aiplatform.core.i18n import N_
from aiplatform.core.settings import load
from aiplatform.gateway.doctor import Verdict, examine
from aiplatform.gateway.installation import installation

_MARKS: Final = {Verdict.GOOD: "✓", Verdict.DOUBTFUL: "!", Verdict.BAD: "✗"}


def command(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help=tr(N_("Settings file (TOML).")))] = None,
    json: JsonOption = False,
) -> None:
    """Check Python, packages, disk, memory, ports and the terminal. Ends with code 1 where something is missing."""
    here = installation(load(file=settings, flags={"data_dir": data_dir and str(data_dir)}))
    findings = list(examine(here, encoding=sys.stdout.encoding or "ascii"))
    if json:
        print_json(
            [
                {
                    "what": finding.what,
                    "verdict": finding.verdict,
                    "text": finding.text.format(**finding.fields),
                    "hint": finding.hint and finding.hint.format(**finding.fields),
                }
                for finding in findings
            ]
        )
    else:
        for finding in findings:
            text = tr(finding.text, **finding.fields)
            console().print(f"  {_MARKS[finding.verdict]} {padded(tr(finding.what), 15)}{text}", markup=False)
            if finding.hint:
                console().print(f"    {tr(finding.hint, **finding.fields)}", markup=False)
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
