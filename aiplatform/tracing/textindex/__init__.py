"""The text index: it follows behind the write, in a file of its own on SQLite and a table on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiplatform.tracing.textindex.ports import Matches, TextIndex
from aiplatform.tracing.textindex.postgres import PostgresTextIndex
from aiplatform.tracing.textindex.sqlite import SqliteTextIndex

if TYPE_CHECKING:
    from aiplatform.storage.database import Database

__all__ = ["Matches", "TextIndex", "open_index"]


def open_index(database: Database, path: Path | None = None) -> TextIndex:
    """The index that belongs to a database.

    Args:
        database: Where spans rest.
        path: File of the index on SQLite; by default `<database>-text.db` beside the database's own.
    """
    if database.dialect == "postgresql":
        return PostgresTextIndex(database)
    if path is None:
        own = Path(database.url.database or "platform.db")
        path = own.with_name(f"{own.stem}-text.db")
    return SqliteTextIndex(database, path)
