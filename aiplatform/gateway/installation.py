"""One installation of the platform on this machine: its settings, its folders, its addresses."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiplatform.core.errors import ConfigError
from aiplatform.core.folders import default_config_dir
from aiplatform.core.i18n import N_
from aiplatform.core.settings import Loaded, Settings
from aiplatform.runtime.model import LONGEST_SHORT_DIR, RayHome, ray_home


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where everything of one installation lies."""

    loaded: Loaded
    home: RayHome

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @property
    def settings_file(self) -> Path:
        """What control-plane processes read."""
        return self.home.state_dir / "settings.toml"

    @property
    def secret_file(self) -> Path:
        """What control-plane processes and models know each other by."""
        return self.home.state_dir / "control-secret"

    @property
    def service_key_file(self) -> Path:
        """Key of the cluster's own principal: what work without a key of its own acts with."""
        return self.home.state_dir / "service-key"

    @property
    def owner_key_file(self) -> Path:
        """Key of whoever runs this; the command line finds it."""
        return default_config_dir() / "key"

    @property
    def url_file(self) -> Path:
        """The platform's address; the command line finds it."""
        return default_config_dir() / "url"

    @property
    def local_url(self) -> str:
        """Address for processes on this machine."""
        host = self.settings.server.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.server.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        host = self.settings.server.host
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def installation(loaded: Loaded) -> Installation:
    """The installation that these settings speak of. Nothing is made yet."""
    data_dir = loaded.settings.data_dir.expanduser().resolve()
    settings = loaded.settings.model_copy(update={"data_dir": data_dir})
    short_dir = _short_dir()
    return Installation(
        loaded=Loaded(settings=settings, sources=loaded.sources, file=loaded.file),
        home=ray_home(data_dir, short_dir=short_dir),
    )


def make_folders(here: Installation) -> None:
    """Make the data folder and what is in it, for the owner alone.

    Raises:
        ConfigError: It cannot be made or written.
    """
    try:
        for folder in (here.home.data_dir, here.home.state_dir, here.home.logs_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "it is not writable", str(folder))
    except OSError as error:
        raise ConfigError(
            N_("The data folder {path!r} cannot be used: {problem}."),
            hint=N_("Choose another with data_dir in aiplatform.toml, or `--data-dir`."),
            reason="up.data_dir",
            path=str(here.home.data_dir),
            problem=error.strerror or str(error),
        ) from None


@contextmanager
def exclusive(here: Installation) -> Iterator[None]:
    """One `up` or `down` at a time.

    Raises:
        ConfigError: Another works on this installation right now.
    """
    file = here.home.state_dir / "lock"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                N_("Another `aiplatform up` or `down` works on {path!r} right now."),
                hint=N_("Wait until it has ended."),
                reason="up.busy",
                path=str(here.home.data_dir),
            ) from None
        yield


def _short_dir() -> Path:
    """A folder with a path short enough for sockets."""
    for candidate in (tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR")):  # noqa: S108 - see `own_folder`
        if candidate and len(candidate) <= LONGEST_SHORT_DIR and os.access(candidate, os.W_OK):
            return Path(candidate)
    raise ConfigError(
        N_("No folder with a short path can be written; Ray's sockets need one."),
        hint=N_("Set TMPDIR to a folder whose path has at most {length} characters."),
        reason="up.no_short_folder",
        length=LONGEST_SHORT_DIR,
    )
