"""`aiplatform up`: bring the platform up on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.status import Status

from aiplatform import __version__
from aiplatform.cli.console import JsonOption, console, padded, print_json, say, tr
from aiplatform.core.i18n import N_
from aiplatform.core.settings import Loaded, load
from aiplatform.gateway.installation import installation
from aiplatform.gateway.lifecycle import Ready, up
from aiplatform.gateway.report import Report, Step

DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))]
SettingsOption = Annotated[Path | None, typer.Option("--settings", help=tr(N_("Settings file (TOML).")))]


def command(
    *,
    host: Annotated[str | None, typer.Option("--host", help=tr(N_("Address to listen at.")))] = None,
    port: Annotated[int | None, typer.Option("--port", help=tr(N_("Port to listen at.")))] = None,
    data_dir: DataDirOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Bring the platform up, or tell that it is. Whatever a crash left is mended."""
    flags = {"server.host": host, "server.port": port, "data_dir": data_dir and str(data_dir)}
    loaded = load(file=settings, flags=flags)
    if not json:
        _greet(loaded)
    ready = up(installation(loaded), Silent() if json else Terminal())
    if json:
        print_json(_as_json(ready))
    else:
        _farewell(ready)


class Terminal:
    """Steps as lines: a mark, a name, what came of it, how long it took."""

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One line when the step has ended; on a terminal a spinner until then."""
        shown = _Step(tr(name))
        began = time.monotonic()
        with console().status(f"{tr(name)} …") if console().is_terminal else _no_status() as status:
            shown.status = status
            try:
                yield shown
            except BaseException:
                console().print(f"  ✗ {tr(name)}", style="red", markup=False)
                raise
        seconds = f"{time.monotonic() - began:.1f} s"
        console().print(f"  ✓ {padded(tr(name), 13)}{padded(shown.text, 52)}{seconds:>8}", markup=False)

    def note(self, text: str, **fields: Any) -> None:
        """A line of its own."""
        console().print(f"  ! {tr(text, **fields)}", markup=False)


class Silent:
    """No lines at all, for `--json`."""

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Nothing is shown."""
        yield _Step(name)

    def note(self, text: str, **fields: Any) -> None:
        """Nothing is shown."""


class _Step:
    def __init__(self, name: str) -> None:
        self._name = name
        self.text = ""
        self.status: Status | None = None

    def tell(self, text: str, **fields: Any) -> None:
        if self.status is not None:
            self.status.update(f"{self._name} … {tr(text, **fields)}")

    def result(self, text: str, **fields: Any) -> None:
        self.text = tr(text, **fields)


@contextmanager
def _no_status() -> Iterator[None]:
    yield None


def _greet(loaded: Loaded) -> None:
    from_environment = sum(source.startswith("AIPLATFORM_") for source in loaded.sources.values())
    parts = [f"aiplatform {__version__}", tr(N_("data {path}"), path=_short(loaded.settings.data_dir))]
    if loaded.file is not None:
        parts.append(tr(N_("settings {path}"), path=_short(loaded.file)))
    if from_environment:
        parts.append(tr(N_("{count} from environment"), count=from_environment))
    console().print(" · ".join(parts), markup=False)


def _farewell(ready: Ready) -> None:
    if ready.was_running:
        say(N_("Running already. Key: {key_file} (tenant default)"), key_file=_short(ready.key_file))
    else:
        say(
            N_("Ready in {seconds:.0f} s. Key: {key_file} (tenant default)"),
            seconds=ready.seconds,
            key_file=_short(ready.key_file),
        )
    say(N_("Open {url}"), url=ready.sign_in_url)


def _as_json(ready: Ready) -> dict[str, Any]:
    return {
        "url": ready.url,
        "sign_in_url": ready.sign_in_url,
        "key_file": str(ready.key_file),
        "was_running": ready.was_running,
        "seconds": round(ready.seconds, 1),
    }


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


_: type[Report] = Terminal
