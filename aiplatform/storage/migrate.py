"""Brings a database to the schema of this version, and refuses one that is ahead of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.storage.database import SYSTEM_ROLE, Database
from aiplatform.storage.rls import check_role

FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK_KEY: Final = 7_101_961


def migrate(database: Database) -> bool:
    """Bring the schema to this version's; one process does it, others wait. Doing so again changes nothing.

    Returns:
        Whether anything was changed.

    Raises:
        ConfigError: The database was made by a newer version, or its role cannot be what the platform needs.
        TransientError: The database cannot be reached.
    """
    with database.owner() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            _ensure_system_role(connection)
            check_role(connection)
        revision = _known_revision(connection)
        if revision == newest_revision():
            return False
        command.upgrade(configuration(connection), "head")
    return True


def check_schema(database: Database) -> None:
    """Nothing, where the schema is this version's: for processes that do not migrate.

    Raises:
        ConfigError: It is older or newer.
        TransientError: The database cannot be reached.
    """
    with database.owner() as connection:
        revision = _known_revision(connection)
    if revision != newest_revision():
        raise ConfigError(
            N_("The database has the schema {found!r}, and this version needs {needed!r}."),
            hint=N_("`aiplatform up` brings it there."),
            reason="database.older",
            found=revision,
            needed=newest_revision(),
        )


def newest_revision() -> str:
    """The revision of this version's schema."""
    newest = ScriptDirectory(str(FOLDER)).get_current_head()
    if newest is None:
        raise LookupError(f"no revision in {FOLDER}")
    return newest


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for one connection; it prints nothing."""
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _known_revision(connection: Connection) -> str | None:
    """The database's revision; None for an empty database.

    Raises:
        ConfigError: This version does not know it.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigError(
            N_(
                "The database was made by a newer version of aiplatform: "
                "its schema is {found!r}, here it is {newest!r}."
            ),
            hint=N_("Install that version again, or restore the copy of the data that you made before it."),
            reason="database.newer",
            found=revision,
            newest=newest_revision(),
        )
    return revision


def _ensure_system_role(connection: Connection) -> None:
    """Make the role for work across tenants where our own role may; `check_role` says what to do where it may not."""
    made = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": SYSTEM_ROLE}).first()
    if made is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(text(f"CREATE ROLE {SYSTEM_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS"))
            connection.execute(text(f"GRANT {SYSTEM_ROLE} TO CURRENT_USER"))
    except ProgrammingError:
        return
