"""The entry of the `aiplatform` command: groups are loaded only when they are called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Final

import typer

from aiplatform.cli.console import ExitCode, error_console, exit_code_of, print_error, tr
from aiplatform.cli.language import print_wrong_use, translated
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_

EXTRA: Final = "platform"
"""The extra that brings what the commands below `_PLATFORM` need."""

GROUPS: Final = {
    "up": N_("Bring the platform up on this machine."),
    "down": N_("Stop the platform; data stay."),
    "status": N_("Tell whether the platform runs, and what of it."),
    "logs": N_("Show or follow the platform's logs."),
    "tour": N_("Walk the whole loop on real data, and show the verdict."),
    "doctor": N_("Check this machine for what the platform needs."),
    "config": N_("Show settings and where each came from."),
    "traces": N_("Search and read traces."),
    "redaction": N_("Say what is taken out of traces before they are stored."),
    "retention": N_("Say how long traces are kept."),
    "cold": N_("Say how long spans stay in the database before they move to files."),
    "prices": N_("Set what models cost, and price stored spans again."),
    "evaluations": N_("Run, compare and gate evaluations."),
    "judges": N_("List judges, and compare them with people."),
    "reviews": N_("Queues of answers that people judge."),
    "online": N_("Score live traces as they arrive."),
    "datasets": N_("List and register data sets."),
    "experiments": N_("Read experiments and their runs."),
    "training": N_("Start and watch training runs."),
    "models": N_("Register, read and promote model versions."),
    "deployments": N_("Deploy models and look after them."),
    "jobs": N_("Submit, watch and stop jobs."),
    "projects": N_("Manage projects."),
    "members": N_("Manage members and their roles."),
    "keys": N_("Make and revoke API keys."),
    "tenants": N_("Manage tenants."),
    "audit": N_("Read the audit log."),
}
ALIASES: Final = {"eval": "evaluations", "train": "training"}
_PLATFORM: Final = frozenset({"up", "down", "logs", "doctor", "tour"})


def build(requested: str | None) -> typer.Typer:
    """The command with one group loaded, or all of them.

    Args:
        requested: The group that is called; None loads only the groups' names and help.
    """
    app = typer.Typer(
        name="aiplatform",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        help=tr(N_("Trace, evaluate, train and serve on Ray. `aiplatform up` starts here.")),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, text in GROUPS.items():
        if requested in {name, "*"}:
            _add(app, name, text)
        else:
            app.command(name, help=tr(text))(_unloaded)
    return translated(app)


def run() -> None:
    """Run the command line; expected errors are sentences, never tracebacks."""
    arguments = [
        ALIASES.get(argument, argument) if index == 0 else argument for index, argument in enumerate(sys.argv[1:])
    ]
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    requested = "*" if completing else next((argument for argument in arguments if argument in GROUPS), None)
    try:
        code = build(requested)(args=arguments, standalone_mode=False)
    except AIPlatformError as error:
        print_error(error)
        code = exit_code_of(error)
    except typer.TyperException as error:
        print_wrong_use(error)
        code = ExitCode.WRONG_USE
    except (typer.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        error_console().print(tr(N_("Interrupted.")))
    sys.exit(code or ExitCode.DONE)


def _add(app: typer.Typer, name: str, text: str) -> None:
    try:
        module = import_module(f"aiplatform.cli.{name}")
    except ModuleNotFoundError as error:
        if name not in _PLATFORM or (error.name or "").startswith("aiplatform"):
            raise
        message = tr(N_("`aiplatform {name}` needs the package {module!r}."), name=name, module=error.name)
        hint = tr(N_('Install it with: pip install "aiplatform[{extra}]"'), extra=EXTRA)
        error_console().print(tr(N_("error: {problem}"), problem=message), f"\n  {hint}", markup=False, sep="")
        sys.exit(ExitCode.FAILED)
    command = getattr(module, "command", None)
    if command is not None:
        app.command(name, help=tr(text))(command)
    else:
        app.add_typer(module.app, name=name, help=tr(text))


def _unloaded() -> None:
    raise AssertionError("a group is loaded before it is called")


def _print_version(wanted: bool) -> None:
    if wanted:
        from aiplatform import __version__  # noqa: PLC0415 - only this option needs it

        sys.stdout.write(f"aiplatform {__version__}\n")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help=tr(N_("Print the version and exit."))),
    ] = False,
) -> None:
    """Options before any command."""
