"""The platform's SQLite database with the text index's file attached, for statements that need both."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event

from aiplatform.storage.database import Database
from aiplatform.tracing.query.automaton import found

FOUND_FUNCTION: Final = "aiplatform_found"
"""SQL function: whether the expression (first) finds something in the text (second)."""


def open_reader(database: Database, path: Path, schema: str) -> Database:
    """Connections of their own, to be read through alone: `Database.read` begins no transaction that locks a file.

    A connection that writes must not have the index attached: SQLite would then take the locks of both files at once.

    Args:
        database: The platform's.
        path: The index's file; it must exist.
        schema: Name by which statements call it.
    """
    reader = Database(database.url.render_as_string(hide_password=False))

    @event.listens_for(reader.engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"ATTACH DATABASE ? AS {schema}", (str(path),))
        add_functions(connection)

    return reader


def add_functions(connection: sqlite3.Connection) -> None:
    """Teach a connection what conditions of a query call."""
    connection.create_function(FOUND_FUNCTION, 2, _found, deterministic=True)


def _found(pattern: str, text: str | None) -> bool:
    return text is not None and found(pattern, text)
