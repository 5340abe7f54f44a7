"""MLflow's schema on SQLite: whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiplatform.registry.mlflow_schema import migrate_sqlite

pytestmark = pytest.mark.filterwarnings("ignore")


def _tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_draft_that_a_killed_process_left_is_begun_anew_and_a_repeat_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    (tmp_path / "mlflow.db.draft").write_bytes(b"half of it")
    (tmp_path / "mlflow.db.draft-journal").write_bytes(b"and this")
    assert migrate_sqlite(f"sqlite:///{file}")
    assert {"experiments", "runs", "alembic_version"} <= _tables(file)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert not migrate_sqlite(f"sqlite:///{file}")


def test_other_databases_are_left_to_mlflow() -> None:
    assert not migrate_sqlite("postgresql+psycopg://user@host/name")
