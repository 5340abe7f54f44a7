"""Brings MLflow's SQLite database to the schema of the installed MLflow, wholly or not at all.

MLflow's own migrations commit step by step on SQLite: a process that is killed between two leaves a database that no
later start can use. So they run on a draft beside it, which takes its place when they are through. On PostgreSQL one
transaction holds them all.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url


def migrate_sqlite(database_url: str) -> bool:
    """Migrate the file where it is behind or not there; whether anything was done.

    Args:
        database_url: SQLAlchemy address; any but SQLite's is left to MLflow.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return False
    from mlflow.store.db.utils import _get_latest_schema_revision, _initialize_tables, _upgrade_db

    file = Path(url.database)
    is_new = not file.exists() or file.stat().st_size == 0
    if not is_new and _revision(file) == _get_latest_schema_revision():
        return False
    draft = file.with_name(f"{file.name}.draft")
    for leftover in file.parent.glob(f"{draft.name}*"):
        leftover.unlink()
    if not is_new:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
    engine: Engine = create_engine(f"sqlite:///{draft}")
    try:
        if is_new:
            _initialize_tables(engine)
        else:
            _upgrade_db(engine)
    finally:
        engine.dispose()
    draft.chmod(0o600)
    draft.replace(file)
    return True


def _revision(file: Path) -> str | None:
    with closing(sqlite3.connect(file)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
    return None if row is None else str(row[0])
