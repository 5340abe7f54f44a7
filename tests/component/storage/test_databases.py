"""Transactions on both databases: scoped, durable, safe between threads, with errors of our own tree."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from aiplatform.core.errors import ConfigError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tenancy import members, projects
from aiplatform.testing.postgres import PostgresServer

OURS = Scope(tenant_id="ours")
THEIRS = Scope(tenant_id="theirs")


def add(database: Database, scope: Scope, email: str) -> None:
    with database.transaction(scope) as tx:
        tx.insert(insert(members), {"email": email, "name": email, "role": "viewer", "created_ns": 1})


def emails(database: Database, scope: Scope) -> list[str]:
    with database.read(scope) as tx:
        return list(tx.execute(select(members.c.email).order_by(members.c.email)).scalars())


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    add(database, OURS, "a@x")

    def fail_in_the_middle() -> None:
        with database.transaction(OURS) as tx:
            tx.execute(update(members).values(name="changed"))
            raise LookupError

    with pytest.raises(LookupError):
        fail_in_the_middle()
    with database.read(OURS) as tx:
        assert tx.execute(select(members.c.name)).scalars().all() == ["a@x"]


def test_a_tenant_neither_sees_nor_changes_what_is_anothers(database: Database) -> None:
    add(database, OURS, "a@x")
    add(database, THEIRS, "b@x")
    with database.transaction(OURS) as tx:
        assert tx.execute(update(members).values(role="admin")).rowcount == 1
        assert tx.raw(
            "SELECT email FROM members WHERE tenant_id = :tenant_id", {"tenant_id": "theirs"}
        ).scalars().all() == ["a@x"]
        with pytest.raises(ValueError, match="tenant_id"):
            tx.raw("SELECT email FROM members")
    assert emails(database, OURS) == ["a@x"]
    assert emails(database, THEIRS) == ["b@x"]
    with database.system("test", write=False) as tx:
        assert len(tx.execute(select(members)).all()) == 2


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read(OURS) as tx:
        tx.insert(insert(projects), {"project_id": "p", "name": "p", "created_ns": 1})
    with pytest.raises(DBAPIError), database.system("test", write=False) as tx:
        tx.execute(text("DELETE FROM projects"))
    add(database, OURS, "after@x")
    assert emails(database, OURS) == ["after@x"]


def test_a_wrong_statement_is_no_passing_fault(database: Database) -> None:
    with pytest.raises(DBAPIError), database.system("test", write=False) as tx:
        tx.execute(text("SELECT * FROM nowhere"))


def test_many_threads_write_and_lose_nothing(database: Database) -> None:
    gate = threading.Barrier(8)

    def work(worker: int) -> None:
        gate.wait()
        for turn in range(10):
            add(database, OURS if worker % 2 else THEIRS, f"{worker}-{turn}@x")
            emails(database, OURS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(emails(database, OURS)) == len(emails(database, THEIRS)) == 40


def test_a_reader_sees_one_moment_while_a_writer_commits(sqlite_database: Database) -> None:
    add(sqlite_database, OURS, "a@x")
    with sqlite_database.read(OURS) as tx:
        assert len(tx.execute(select(members)).all()) == 1
        with ThreadPoolExecutor(1) as pool:
            pool.submit(add, sqlite_database, OURS, "b@x").result()
        assert len(tx.execute(select(members)).all()) == 1
    assert emails(sqlite_database, OURS) == ["a@x", "b@x"]


def test_a_writer_that_would_wait_for_itself_is_told(sqlite_database: Database) -> None:
    with sqlite_database.transaction(OURS), pytest.raises(RuntimeError), sqlite_database.transaction(OURS):
        pass
    add(sqlite_database, OURS, "a@x")


def test_another_process_that_holds_the_file_too_long_is_a_passing_fault(
    sqlite_database: Database, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiplatform.storage.database.BUSY_TIMEOUT_MS", 50)
    other = Database(sqlite_url)
    with sqlite_database.transaction(OURS), pytest.raises(TransientError) as caught:
        add(other, OURS, "a@x")
    other.close()
    assert caught.value.retryable
    assert caught.value.retry_after_s


def test_a_database_that_is_away_is_a_passing_fault(postgres_server: PostgresServer, postgres_url: str) -> None:
    away = Database(postgres_server.url("nowhere"))
    with pytest.raises(TransientError):
        emails(away, OURS)
    away.close()
    lost = Database(postgres_url)

    def read_while_the_server_hangs_up() -> None:
        with lost.read(OURS) as tx, postgres_server.admin("test") as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'test' AND pid <> pg_backend_pid()"
            )
            tx.execute(select(members))

    with pytest.raises(TransientError):
        read_while_the_server_hangs_up()
    assert emails(lost, OURS) == []
    lost.close()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:secret@h/d", "sqlite+aiosqlite:///x", "postgresql+asyncpg://h/d"]
)
def test_an_address_that_names_no_known_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        Database(f"sqlite:///{tmp_path / 'missing' / 'platform.db'}")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "platform.db"
    database = Database(f"sqlite:///{file}")
    with database.owner() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.name.startswith(file.name)}
    assert modes
    assert set(modes.values()) == {0}, os.linesep.join(modes)
    database.close()


def test_an_error_never_shows_the_values_of_a_statement(database: Database) -> None:
    add(database, OURS, "secret-value@x")
    with pytest.raises(DBAPIError) as caught:
        add(database, OURS, "secret-value@x")
    assert "secret-value" not in str(caught.value).split("DETAIL")[0]
