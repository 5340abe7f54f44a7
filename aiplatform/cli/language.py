"""Typer's own words in the reader's language: titles of help, its own options, what is wrong with a command line."""

from __future__ import annotations

import re
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from aiplatform.cli.console import error_console, tr
from aiplatform.core.i18n import N_

OWN_HELP: Final = (
    N_("Show this message and exit."),
    N_("Install completion for the current shell."),
    N_("Show completion for the current shell, to copy it or customize the installation."),
)
"""Help of the options that Typer adds by itself."""

_PROBLEMS: Final = tuple(
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in (
        (r"(?P<problem>.+)\. Did you mean (?P<near>.+)\?", N_("{problem} Did you mean {near}?")),
        (r"No such option: (?P<name>\S+)", N_("There is no option {name}.")),
        (
            r"No such option: (?P<name>\S+) \(Possible options: (?P<near>.+)\)",
            N_("There is no option {name}. Did you mean {near}?"),
        ),
        (r"No such command (?P<name>'.+')\.?", N_("There is no command {name}.")),
        (r"Missing command\.", N_("The command is missing.")),
        (r"Missing argument (?P<name>'.+?')\.", N_("The argument {name} is missing.")),
        (r"Missing option (?P<name>'.+?')\.", N_("The option {name} is missing.")),
        (
            r"Missing (?:argument|option) (?P<name>'.+?')\. Choose from:\s*(?P<choices>.+)",
            N_("{name} is missing. Choose from: {choices}"),
        ),
        (r"Got unexpected extra argument\(?s?\)? \((?P<given>.+)\)", N_("These arguments are too many: {given}.")),
        (r"Option (?P<name>'.+?') requires an argument\.", N_("The option {name} needs a value.")),
        (r"Option (?P<name>'.+?') does not take a value\.", N_("The option {name} takes no value.")),
        (r"Invalid value for (?P<name>.+?): (?P<problem>.+)", N_("Wrong value for {name}: {problem}")),
        (r"Value error, (?P<problem>.+)", "{problem}"),
        (r"(?P<given>'.*') is not one of (?P<choices>.+)\.", N_("{given} is none of {choices}.")),
        (r"Input should be a valid integer.*", N_("A whole number is needed.")),
        (r"Input should be a valid number.*", N_("A number is needed.")),
        (r"Input should be greater than or equal to (?P<limit>\S+)", N_("At least {limit} is needed.")),
        (r"Input should be less than or equal to (?P<limit>\S+)", N_("At most {limit} is allowed.")),
        (r"(?:file|dir|path) (?P<path>'.*') does not exist\.", N_("{path} does not exist.")),
        (r"(?:file|dir|path) (?P<path>'.*') is a directory\.", N_("{path} is a folder; a file is needed.")),
        (r"(?:file|dir|path) (?P<path>'.*') is a file\.", N_("{path} is a file; a folder is needed.")),
        (r"(?:file|dir|path) (?P<path>'.*') is not readable\.", N_("{path} cannot be read.")),
    )
)
"""What Typer says of a wrong command line, and our text for it. A sentence that it learns later stays as it is."""


class _Translated:
    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            param.help = param.help and tr(param.help)
        return params

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=tr(N_("Usage: ")))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _translate_titles()
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(_Translated, TyperCommand):
    """A command whose help is in the reader's language throughout."""


class Group(_Translated, TyperGroup):
    """A group whose help is in the reader's language throughout."""


def translated(app: typer.Typer) -> typer.Typer:
    """The same commands, with help that is in the reader's language throughout."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance is not None:
            translated(group.typer_instance)
    return app


def told(text: str) -> str:
    """What Typer says of a wrong command line, in the reader's language."""
    for pattern, ours in _PROBLEMS:
        found = pattern.fullmatch(text)
        if found is not None:
            parts = {name: told(part) if name == "problem" else part for name, part in found.groupdict().items()}
            return tr(ours, **parts)
    return text


def print_wrong_use(error: typer.TyperException) -> None:
    """What is wrong with a command line, as every other error is shown."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    if not text:
        return
    out = error_console()
    if context is not None:
        out.print(context.get_usage(), markup=False)
    out.print(tr(N_("error: {problem}"), problem=told(text)), markup=False, style="red")
    if context is not None:
        hint = tr(N_("`{command} --help` shows how it is called."), command=context.command_path)
        out.print(f"  {hint}", markup=False)


def _translate_titles() -> None:
    from typer import rich_utils  # noqa: PLC0415 - only help needs it

    rich_utils.ARGUMENTS_PANEL_TITLE = tr(N_("Arguments"))
    rich_utils.OPTIONS_PANEL_TITLE = tr(N_("Options"))
    rich_utils.COMMANDS_PANEL_TITLE = tr(N_("Commands"))
    rich_utils.DEFAULT_STRING = tr(N_("[default: {}]"))
    rich_utils.REQUIRED_LONG_STRING = tr(N_("[required]"))
