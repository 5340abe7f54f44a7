"""Migrations on both databases: up, down, up again; the schema that they make is the declared one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from aiplatform.core.errors import ConfigError
from aiplatform.storage.database import Database
from aiplatform.storage.migrate import check_schema, configuration, migrate, newest_revision
from aiplatform.storage.tables import metadata
from aiplatform.testing.databases import create_schema
from aiplatform.testing.postgres import PostgresServer

_NUMBERS = count()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Two empty databases of one kind: one to migrate, one to create from the declared tables."""
    names = ("migrated", "declared")
    with ExitStack() as ending:
        if request.param == "sqlite":
            urls = [f"sqlite:///{tmp_path / name}.db" for name in names]
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            # Left to end with the server: dropping a database makes it write everything down first.
            urls = [server.create_database(f"{name}_{next(_NUMBERS)}") for name in names]
        migrated, declared = (Database(url) for url in urls)
        ending.callback(migrated.close)
        ending.callback(declared.close)
        yield migrated, declared


@pytest.fixture
def empty(pair: tuple[Database, Database]) -> Database:
    return pair[0]


def test_up_down_up_and_up_again(empty: Database) -> None:
    assert migrate(empty)
    assert not migrate(empty)
    with empty.owner() as connection:
        command.downgrade(configuration(connection), "base")
    assert tables(empty) == {"alembic_version"}
    assert migrate(empty)
    check_schema(empty)


def test_the_migrated_schema_is_the_declared_one(pair: tuple[Database, Database]) -> None:
    migrated, declared = pair
    migrate(migrated)
    create_schema(str(declared.url.render_as_string(hide_password=False)))
    with migrated.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert described(migrated) == described(declared)
    if migrated.dialect == "postgresql":
        assert fenced(migrated) == fenced(declared)


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    migrate(empty)
    with empty.owner() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '29991231_0001'"))
    for act in (migrate, check_schema):
        with pytest.raises(ConfigError) as caught:
            act(empty)
        assert caught.value.full_code == "database.newer"
        assert "29991231_0001" in str(caught.value)
    with empty.owner() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "29991231_0001"


def test_a_process_that_does_not_migrate_refuses_an_older_schema(empty: Database) -> None:
    with pytest.raises(ConfigError) as caught:
        check_schema(empty)
    assert caught.value.full_code == "database.older"
    assert newest_revision() in str(caught.value)


def test_a_migration_that_fails_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with empty.owner() as connection:
        connection.execute(text("CREATE TABLE traces (x INTEGER)"))  # in the way of the last tables
    with pytest.raises(Exception, match="traces"):
        migrate(empty)
    assert tables(empty) == {"traces"}


@pytest.mark.postgres
def test_a_role_that_ignores_the_policies_does_not_migrate(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("freely")
    free = Database(url.replace("//aiplatform@", "//aiplatform_admin@"))
    with pytest.raises(ConfigError) as caught:
        migrate(free)
    assert caught.value.full_code == "database.role_unbound"
    free.close()


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def described(database: Database) -> dict[str, Any]:
    """Columns, keys and indexes of every table, as the database tells them."""
    with database.engine.connect() as connection:
        found = inspect(connection)
        return {
            name: {
                "columns": [{**column, "type": repr(column["type"])} for column in found.get_columns(name)],
                "key": found.get_pk_constraint(name),
                "unique": sorted(found.get_unique_constraints(name), key=repr),
                "indexes": sorted((_readable(index) for index in found.get_indexes(name)), key=repr),
                "checks": sorted(found.get_check_constraints(name), key=repr),
            }
            for name in found.get_table_names()
            if name != "alembic_version"
        }


def _readable(index: Any) -> dict[str, Any]:
    """An index with its condition as text: two clauses are never equal."""
    options = {option: str(value) for option, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def fenced(database: Database) -> list[Any]:
    """Policies, row security, partitioning and grants of every table."""
    queries = (
        "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies",
        "SELECT relname, relkind::text, relrowsecurity, relforcerowsecurity, relacl::text FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')",
        "SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table",
    )
    with database.engine.connect() as connection:
        return [
            sorted(row for row in connection.execute(text(query)).all() if row[0] != "alembic_version")
            for query in queries
        ]
