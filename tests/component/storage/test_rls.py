"""Row-level security on PostgreSQL, for every tenant table, as a role that cannot bypass it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Float, Integer, LargeBinary, Table, insert, text
from sqlalchemy.exc import DBAPIError

from aiplatform.core.errors import ConfigError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import SYSTEM_ROLE, Database
from aiplatform.storage.rls import check_role, protect, tenant_tables
from aiplatform.storage.tables import metadata
from aiplatform.testing.postgres import ADMIN, PostgresServer

pytestmark = pytest.mark.postgres

TABLES = [metadata.tables[name] for name in tenant_tables(metadata)]
OURS, THEIRS = Scope(tenant_id="ours"), Scope(tenant_id="theirs")


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


def value_for(column: Column[Any], tenant: str) -> Any:
    match column.type:
        case BigInteger() | Integer():
            return 1
        case Float():
            return 1.0
        case Boolean():
            return True
        case LargeBinary():
            return b"x"
        case JSON():
            return {}
    if column.type.__class__.__name__ in {"ARRAY", "TSVECTOR"}:
        return [] if column.type.__class__.__name__ == "ARRAY" else None
    # Unique over all tenants (a key's digest): two rows must differ.
    return tenant if column.name == "tenant_id" or column.name.endswith("_hash") else "x"


def row_of(table: Table, tenant: str) -> dict[str, Any]:
    written = [column for column in table.columns if column.computed is None and column.identity is None]
    return {column.name: value_for(column, tenant) for column in written if not column.nullable or column.primary_key}


def partition(connection: Connection, table: Table) -> None:
    """A partitioned table takes rows only where a partition is."""
    if table.dialect_options["postgresql"]["partition_by"]:
        connection.execute(
            text(f'CREATE TABLE IF NOT EXISTS "{table.name}_d1" PARTITION OF "{table.name}" FOR VALUES FROM (1) TO (2)')
        )
        protect(connection, [f"{table.name}_d1"])


@pytest.fixture(scope="module", autouse=True)
def partitions(postgres_database: str) -> Iterator[None]:
    database = Database(postgres_database)
    made = [table for table in TABLES if table.dialect_options["postgresql"]["partition_by"]]
    for table in made:
        with database.owner() as connection:
            partition(connection, table)
    yield
    for table in made:
        with database.owner() as connection:
            connection.execute(text(f'DROP TABLE IF EXISTS "{table.name}_d1"'))
    database.close()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_policies_of_every_table_hold_without_any_condition_of_ours(postgres: Database, table: Table) -> None:
    for scope in (OURS, THEIRS):
        with postgres.transaction(scope) as tx:
            tx.insert(insert(table), row_of(table, scope.tenant_id))
    with postgres.transaction(OURS) as tx:
        bare = tx._connection  # past our own conditions, as a mistake in them would be
        assert {row.tenant_id for row in bare.execute(table.select()).all()} == {"ours"}
        assert bare.execute(table.delete()).rowcount == 1
    with pytest.raises(DBAPIError, match="row-level security"), postgres.transaction(OURS) as tx:
        tx._connection.execute(insert(table), row_of(table, "theirs"))
    with postgres.engine.connect() as connection:
        assert connection.execute(table.select()).all() == []
    with postgres.system("test", write=False) as tx:
        assert {row.tenant_id for row in tx.execute(table.select()).all()} == {"theirs"}


def test_every_table_of_the_schema_is_behind_the_fence(postgres: Database) -> None:
    open_tables = text(
        "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p')"
        " AND nspname = current_schema() AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    with postgres.engine.connect() as connection:
        assert connection.execute(open_tables).scalars().all() == []


def test_taking_the_systems_role_ends_with_its_transaction(postgres: Database) -> None:
    with postgres.system("test", write=False) as tx:
        assert tx.execute(text("SELECT current_user")).scalar() == SYSTEM_ROLE
        assert tx.execute(text("SELECT current_setting('aiplatform.purpose')")).scalar() == "test"
    with postgres.read(OURS) as tx:
        assert tx.raw("SELECT current_user, :tenant_id").one()[0] != SYSTEM_ROLE
    with postgres.engine.connect() as connection:
        assert connection.execute(text("SELECT current_setting('aiplatform.tenant_id', true)")).scalar() in {None, ""}


def test_a_role_that_ignores_the_policies_is_refused(postgres_server: PostgresServer, postgres_url: str) -> None:
    free = Database(postgres_server.url("test").replace("//aiplatform@", f"//{ADMIN}@"))
    with pytest.raises(ConfigError) as caught, free.engine.connect() as connection:
        check_role(connection)
    assert caught.value.full_code == "database.role_unbound"
    free.close()
    with postgres_server.admin() as admin:
        admin.execute("CREATE ROLE stranger LOGIN")
        admin.execute("GRANT CONNECT ON DATABASE test TO stranger")
    stranger = Database(postgres_server.url("test").replace("//aiplatform@", "//stranger@"))
    with pytest.raises(ConfigError) as caught, stranger.engine.connect() as connection:
        check_role(connection)
    assert caught.value.full_code == "database.system_role"
    stranger.close()
    with postgres_server.admin() as admin:
        admin.execute("REVOKE CONNECT ON DATABASE test FROM stranger")
        admin.execute("DROP ROLE stranger")
