"""Settings: frozen, read once, from file, then environment, then flags; every value knows where it came from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from aiplatform.core.errors import ConfigError
from aiplatform.core.folders import default_data_dir
from aiplatform.core.i18n import N_

SETTINGS_FILE: Final = "aiplatform.toml"
ENVIRONMENT_PREFIX: Final = "AIPLATFORM_"
FILE_VARIABLE: Final = "AIPLATFORM_SETTINGS"


class Section(BaseModel):
    """Base of all settings: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSettings(Section):
    """Where the platform listens."""

    host: str = "127.0.0.1"
    """Address of the HTTP entry. Anything but loopback needs keys, which `up` checks."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """TCP port of the HTTP entry."""

    public_url: str | None = None
    """Address that browsers and clients use, where a proxy stands in front."""

    allowed_hosts: tuple[str, ...] = ()
    """Further names accepted in the Host header, beside loopback names and the public address."""


class DatabaseSettings(Section):
    """Where rows rest."""

    url: SecretStr | None = None
    """SQLAlchemy address (`postgresql+psycopg://…`); by default SQLite in the data folder."""


class ArtifactSettings(Section):
    """Where large results rest."""

    url: str | None = None
    """fsspec address (`s3://bucket/prefix`); by default a folder in the data folder."""


class RaySettings(Section):
    """The local Ray that `up` starts."""

    num_cpus: Annotated[int, Field(ge=1)] | None = None
    """Logical CPUs; by default the machine's."""

    object_store_mb: Annotated[int, Field(ge=80)] = 512
    """Memory of the object store, in MiB."""


class IngestSettings(Section):
    """Limits of the OTLP entry."""

    max_body_mb: Annotated[int, Field(ge=1)] = 64
    """Largest request after decompression, in MiB."""


class SessionSettings(Section):
    """Sign-in by browser."""

    lifetime_hours: Annotated[float, Field(gt=0)] = 12.0
    """How long a browser stays signed in."""


class Settings(Section):
    """Everything that can be set. `aiplatform config show` prints it with its sources."""

    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the embedded database, artifacts, logs and state."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    ray: RaySettings = RaySettings()
    ingest: IngestSettings = IngestSettings()
    session: SessionSettings = SessionSettings()

    @property
    def database_url(self) -> str:
        """Address of the database, the embedded one where none is set."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'platform.db'}"

    @property
    def artifacts_url(self) -> str:
        """Root of the artifact store, the embedded one where none is set."""
        return self.artifacts.url or (self.data_dir / "artifacts").as_uri()

    @property
    def url(self) -> str:
        """Address that clients use."""
        if self.server.public_url:
            return self.server.public_url.rstrip("/")
        host = "127.0.0.1" if self.server.host in {"0.0.0.0", "::"} else self.server.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings with the source of every value that is not a default."""

    settings: Settings
    sources: Mapping[str, str]
    """Dotted name -> `aiplatform.toml`, an environment variable, or `flag`."""

    file: Path | None


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Loaded:
    """Read the settings: the file first, then `AIPLATFORM_*`, then flags, each over the one before.

    Args:
        file: The file; by default `$AIPLATFORM_SETTINGS`, else `aiplatform.toml` here where there is one.
        environment: By default the process's own. `AIPLATFORM_SERVER__PORT` sets `server.port`.
        flags: Dotted names to values; None means "not given".

    Raises:
        ConfigError: The file cannot be read, a name is unknown, or a value is wrong.
    """
    environment = os.environ if environment is None else environment
    path = _settings_file(file, environment)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, value in _flatten(_read(path) if path else {}).items():
        _put(values, sources, name, value, str(path))
    for variable, value in sorted(environment.items()):
        setting = _setting_of(variable)
        if setting is not None:
            _put(values, sources, setting, value, variable)
    for name, value in (flags or {}).items():
        if value is not None:
            _put(values, sources, name, value, N_("flag"))
    try:
        return Loaded(settings=Settings.model_validate(values), sources=sources, file=path)
    except ValidationError as error:
        raise _explained(error, sources) from None


def _settings_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    if named is not None:
        return named
    here = Path(SETTINGS_FILE)
    return here if here.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            N_("The settings file {path!r} cannot be read: {problem}."),
            hint=N_("Check the path and its permissions."),
            reason="config.unreadable",
            path=str(path),
            problem=error.strerror or str(error),
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            N_("The settings file {path!r} is not TOML: {problem}."),
            hint=N_("Mend the named line."),
            reason="config.malformed",
            path=str(path),
            problem=str(error),
        ) from None


def _setting_of(variable: str) -> str | None:
    """The dotted setting that an environment variable names; None for those that mean something else.

    Variables of the client (`AIPLATFORM_URL`, `AIPLATFORM_API_KEY`, …) share the prefix and carry no section.
    """
    if not variable.startswith(ENVIRONMENT_PREFIX):
        return None
    parts = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    if len(parts) == 1 and parts[0] not in Settings.model_fields:
        return None
    return ".".join(parts)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _put(values: dict[str, Any], sources: dict[str, str], name: str, value: Any, source: str) -> None:
    *sections, last = name.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(
                N_("{name!r} (from {source}) is not a setting."),
                hint=N_("`aiplatform config show` lists every setting."),
                reason="config.unknown",
                name=name,
                source=source,
            )
    place[last] = value
    sources[name] = source


def _explained(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    source = next((sources[known] for known in sources if known == name or known.startswith(f"{name}.")), "?")
    if first["type"] == "extra_forbidden":
        return ConfigError(
            N_("{name!r} (from {source}) is not a setting."),
            hint=N_("`aiplatform config show` lists every setting."),
            reason="config.unknown",
            name=name,
            source=source,
        )
    return ConfigError(
        N_("Setting {name!r} (from {source}) cannot be {value!r}: {problem}."),
        hint=N_("`aiplatform config show` prints every setting with its meaning."),
        reason="config.value",
        name=name,
        source=source,
        value=_shown(first.get("input")),
        problem=first["msg"],
    )


def _shown(value: Any) -> Any:
    return "…" if isinstance(value, SecretStr) else value
