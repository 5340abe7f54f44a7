"""What every command shares: the console, tables, JSON, errors as sentences, exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from aiplatform.core.errors import (
    AIPlatformError,
    ConfigError,
    InvalidError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from aiplatform.core.i18n import N_, negotiate, translate

PIPE_WIDTH: Final = 120
"""Columns of tables where no terminal says how many there are."""


class ExitCode(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    GATE_NOT_PASSED = 3
    NOT_PERMITTED = 4
    INTERRUPTED = 130


@cache
def locale() -> str:
    """The reader's language, from `AIPLATFORM_LOCALE`, then what the terminal says."""
    names = ("AIPLATFORM_LOCALE", "LC_ALL", "LC_MESSAGES", "LANG")
    return negotiate(*((os.environ.get(name) or "").split(".")[0] for name in names))


def tr(text: str, **fields: Any) -> str:
    """`text` in the reader's language, fields filled in."""
    translated = translate(text, locale())
    return translated.format(**fields) if fields else translated


@cache
def console() -> Console:
    """Standard output; plain where it is a pipe or `NO_COLOR` is set."""
    is_terminal = sys.stdout.isatty()
    out = Console(highlight=False, soft_wrap=not is_terminal)
    if not is_terminal:
        out.width = max(out.width, PIPE_WIDTH)
    return out


@cache
def error_console() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


JsonOption = Annotated[bool, typer.Option("--json", help=tr(N_("Print JSON and nothing else.")))]
ProjectOption = Annotated[str | None, typer.Option("--project", "-p", help=tr(N_("Project inside the key's tenant.")))]


def say(text: str, **fields: Any) -> None:
    """Print one translated line."""
    console().print(tr(text, **fields), markup=False)


def print_json(value: Any) -> None:
    """Print JSON as it is: no colour, no wrapping, Chinese as Chinese."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    """Print rows under translated heads.

    Args:
        heads: Column heads, texts of the catalogue.
        rows: Cells; None is shown as a dash.
        right: Columns of figures, aligned to the right.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, head in enumerate(heads):
        table.add_column(tr(head), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("—" if cell is None else str(cell) for cell in row))
    console().print(table)


def padded(text: str, width: int) -> str:
    """`text` filled up to `width` columns of a terminal, where a Chinese character takes two."""
    return text + " " * (width - cell_len(text))


def print_error(error: AIPlatformError) -> None:
    """An expected error as the reader sees it: the message, the hint, the code."""
    out = error_console()
    out.print(tr(N_("error: {problem}"), problem=error.localized(locale())), markup=False, style="red")
    hint = error.localized_hint(locale())
    if hint:
        out.print(f"  {hint}", markup=False)
    code = tr(N_("code"))
    out.print(f"  {code} {error.full_code}", markup=False, style="dim")


def exit_code_of(error: AIPlatformError) -> ExitCode:
    """The exit code that an expected error ends a command with."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return ExitCode.NOT_PERMITTED
    if isinstance(error, InvalidError | ConfigError):
        return ExitCode.WRONG_USE
    return ExitCode.FAILED
