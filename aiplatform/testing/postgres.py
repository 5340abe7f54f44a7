"""A PostgreSQL server for one test session, from the programs of Debian's `postgresql` package.

The server listens on a Unix socket in a folder of its own, writes without fsync, and ends with the process that started
it, however that ends. Its databases are reached as a role that row-level security binds, as in production.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

import psycopg
from psycopg import sql

from aiplatform.storage.database import SYSTEM_ROLE

ROLE: Final = "aiplatform"
ADMIN: Final = "aiplatform_admin"
READY_WITHIN_S: Final = 60.0
_INSTALLED: Final = Path("/usr/lib/postgresql")


def server_programs() -> Path | None:
    """Folder of the newest installed server's programs; None where there is none."""
    found = [path.parent for path in _INSTALLED.glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """A running server; use it as a context manager.

    Args:
        programs: Folder of `initdb` and `postgres`.
        settings: Settings of the server that differ from those of tests, which do without fsync.
    """

    def __init__(self, programs: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._programs = programs
        self._settings = dict(settings or {})
        # A socket's path may have 107 characters at most, so the folder does not lie under pytest's.
        self._folder = Path(tempfile.mkdtemp(prefix="aip-pg-", dir=_open_to_all()))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PostgresServer:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def url(self, database: str) -> str:
        """SQLAlchemy address of a database, as the role that policies bind."""
        return f"postgresql+psycopg://{ROLE}@/{database}?host={self._folder}"

    @property
    def process_id(self) -> int:
        """Of the server; those of its connections are its children.

        Raises:
            RuntimeError: It does not run.
        """
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make a database that the bound role owns; returns its address."""
        with self.admin() as connection:
            create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(create.format(*map(sql.Identifier, (name, ROLE, template))))
        return self.url(name)

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection as the server's superuser, which ignores every policy."""
        return psycopg.connect(host=str(self._folder), user=ADMIN, dbname=database, autocommit=True)

    def _start(self) -> None:
        data = self._folder / "data"
        become = _as_unprivileged(self._folder)
        initdb = [self._programs / "initdb", "-D", data, "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        made = subprocess.run([*become, *map(str, initdb), "--no-sync"], capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
            "log_min_messages": "fatal",
            # The same as in production: an acknowledged write has left the server's memory, fsync aside.
            "synchronous_commit": "on",
            **self._settings,
        }
        arguments = [str(self._programs / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        log = (self._folder / "log").open("wb")
        ending = ["setpriv", "--pdeathsig", "INT"] if not become else [*become[:1], "--pdeathsig", "INT", *become[1:]]
        self._process = subprocess.Popen([*ending, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self._wait_until_ready(self._process)
        with self.admin() as connection:
            connection.execute(f"CREATE ROLE {SYSTEM_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS")
            connection.execute(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS")
            connection.execute(f"GRANT {SYSTEM_ROLE} TO {ROLE}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self.admin().close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > until:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from None
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # at once; the data are thrown away anyhow
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)


def _open_to_all() -> Path:
    """A folder for temporary files that the account which the server runs as can reach too."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - mkdtemp makes the names
    return next((place for place in places if all(_may_enter(folder) for folder in (place, *place.parents))), places[0])


def _may_enter(folder: Path) -> bool:
    return folder.is_dir() and bool(folder.stat().st_mode & stat.S_IXOTH)


def _as_unprivileged(folder: Path) -> list[str]:
    """What makes a command run as somebody whom PostgreSQL accepts: it refuses to run as root."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name for entry in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
