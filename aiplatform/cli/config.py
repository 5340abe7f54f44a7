"""`aiplatform config`: settings, where each came from, and what other tools need to reach the platform."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from aiplatform.cli.console import ExitCode, JsonOption, console, print_json, print_table, say, tr
from aiplatform.core.i18n import N_
from aiplatform.core.settings import Loaded, Section, load

MASK: Final = "••••••"

app = typer.Typer(no_args_is_help=True)

SettingsOption = Annotated[Path | None, typer.Option("--settings", help=tr(N_("Settings file (TOML).")))]


@app.command("show", help=tr(N_("Every setting, its value, and where it came from; secrets are masked.")))
def show(*, settings: SettingsOption = None, json: JsonOption = False) -> None:
    """Every setting, its value, and where the value came from; with --json its meaning too. Secrets are masked."""
    loaded = load(file=settings)
    rows = list(_rows(loaded))
    if json:
        print_json(
            [
                {"name": name, "value": value, "source": source, "is_default": source is None, "meaning": meaning}
                for name, value, source, meaning in rows
            ]
        )
        return
    heads = (N_("setting"), N_("value"), N_("from"))
    print_table(heads, [(name, value, source or tr(N_("default"))) for name, value, source, _ in rows])


@app.command(
    "env", help=tr(N_('Shell lines that `ray job submit` and other tools need: eval "$(aiplatform config env)"'))
)
def env(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help=tr(N_("Folder of the platform's data.")))] = None,
    json: JsonOption = False,
) -> None:
    """Shell lines that `ray job submit` and other tools need: eval "$(aiplatform config env)"."""
    from aiplatform.gateway.installation import installation  # noqa: PLC0415 - needs more than the light client
    from aiplatform.gateway.lifecycle import running_state  # noqa: PLC0415 - needs more than the light client
    from aiplatform.runtime.environment import client_environment  # noqa: PLC0415 - as above

    here = installation(load(flags={"data_dir": data_dir and str(data_dir)}))
    running = running_state(here)
    if running is None:
        say(N_("The platform does not run. `aiplatform up` starts it."))
        raise typer.Exit(ExitCode.FAILED)
    variables = {
        **client_environment(here.home, running.dashboard_url),
        "AIPLATFORM_URL": here.local_url,
        "AIPLATFORM_KEY_FILE": str(here.owner_key_file),
    }
    if json:
        print_json(variables)
        return
    for name, value in variables.items():
        console().print(f"export {name}={shlex.quote(value)}", markup=False, soft_wrap=True)


def _rows(loaded: Loaded) -> Iterator[tuple[str, Any, str | None, str]]:
    for name, field, value in _leaves(loaded.settings):
        source = loaded.sources.get(name)
        yield name, _shown(value), source, (field.description or "").replace("\n", " ")


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, FieldInfo, Any]]:
    fields: Mapping[str, FieldInfo] = type(model).model_fields
    for name, field in fields.items():
        value = getattr(model, name)
        if isinstance(value, Section):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field, value


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or None
    return str(value) if isinstance(value, Path) else value
