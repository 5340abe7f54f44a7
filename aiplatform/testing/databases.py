"""Empty databases for tests, made from a template so that each costs milliseconds."""

from __future__ import annotations

import shutil
from pathlib import Path

from psycopg import sql
from sqlalchemy import create_engine

from aiplatform.storage.database import Database
from aiplatform.storage.rls import protect, tenant_tables
from aiplatform.storage.tables import metadata
from aiplatform.testing.postgres import PostgresServer


def create_schema(url: str) -> None:
    """Create every declared table, and on PostgreSQL its policies."""
    database = Database(url, pool_size=1)
    try:
        with database.engine.begin() as connection:
            metadata.create_all(connection)
            protect(connection, tenant_tables(metadata))
        if database.dialect == "sqlite":
            _leave_wal(database)
    finally:
        database.close()


def copy_sqlite(template: Path, target: Path) -> str:
    """Copy a prepared SQLite file; returns the copy's address."""
    shutil.copyfile(template, target)
    return f"sqlite:///{target}"


def empty_postgres(server: PostgresServer, database: str) -> None:
    """Take the rows out of every table that has some."""
    with server.admin(database) as connection:
        # A test that failed may have left a transaction open, which would hold its locks.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [database],
        )
        names = [sql.Identifier(table.name) for table in reversed(metadata.sorted_tables)]
        connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(name) for name in names))


def _leave_wal(database: Database) -> None:
    """Move everything into the main file, so that copying that one file copies the database."""
    database.close()
    engine = create_engine(database.url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
