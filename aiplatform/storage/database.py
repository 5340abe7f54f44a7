"""The database: an engine, and tenant-scoped transactions as the only way to reach rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Connection,
    CursorResult,
    Delete,
    Engine,
    Insert,
    Select,
    Table,
    Update,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.sql.expression import Executable

from aiplatform.core.errors import TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.bulk import insert_rows
from aiplatform.storage.scoping import scoped_insert, scoped_statement

BUSY_TIMEOUT_MS: Final = 10_000

Rows = Sequence[Mapping[str, Any]]


class Transaction:
    """Statements of one tenant inside one database transaction.

    Every `select`, `update` and `delete` gets the tenant's condition (and the project's, where the scope names one) on
    each table it reads, subqueries and joins included; every `insert` gets the tenant's columns.
    """

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self.scope = scope

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._connection.dialect.name

    def execute(self, statement: Select[Any] | Update | Delete) -> CursorResult[Any]:
        """Run a statement within the scope."""
        return self._connection.execute(scoped_statement(statement, self.scope))

    def insert(self, statement: Insert, rows: Rows | Mapping[str, Any]) -> CursorResult[Any]:
        """Insert one row or many; tenant and project are filled in.

        Raises:
            ValueError: A row names another tenant or project than the scope's.
        """
        return self._connection.execute(statement, scoped_insert(statement, rows, self.scope))

    def insert_rows(
        self, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, replace: bool = False
    ) -> None:
        """Insert many rows of this tenant at the driver's speed.

        Args:
            table: A tenant's table.
            columns: Names in the order of each row. The tenant's column is filled in, and the project's too where the
                scope names a project.
            rows: Values; an empty list is fine.
            replace: Whether a row replaces the one of the same key; by default it is left out.
        """
        fixed = {"tenant_id": self.scope.tenant_id}
        if self.scope.project_id is not None and table.info["project"]:
            fixed["project_id"] = self.scope.project_id
        if rows:
            insert_rows(self._connection, table, columns, rows, fixed, replace=replace)

    def raw(self, sql: str, parameters: Mapping[str, Any] | Rows | None = None) -> CursorResult[Any]:
        """Run SQL written by hand, for hot paths and what one dialect alone can do.

        The text must use `:tenant_id` itself; it is bound here, so that no caller can bind another's.

        Raises:
            ValueError: The text does not mention `:tenant_id`.
        """
        if ":tenant_id" not in sql:
            raise ValueError("hand-written SQL must condition on :tenant_id")
        tenant = {"tenant_id": self.scope.tenant_id}
        if parameters is None or isinstance(parameters, Mapping):
            return self._connection.execute(text(sql), {**(parameters or {}), **tenant})
        return self._connection.execute(text(sql), [{**row, **tenant} for row in parameters])


class SystemTransaction:
    """Statements across tenants: authentication, the worker, migrations. Named by its purpose."""

    def __init__(self, connection: Connection, purpose: str) -> None:
        self._connection = connection
        self.purpose = purpose

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._connection.dialect.name

    def execute(self, statement: Executable, parameters: Rows | Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Run a statement as it is."""
        return self._connection.execute(statement, parameters)


class Database:
    """One SQL database: SQLite (WAL) embedded, PostgreSQL in production."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = make_url(url)
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": pool_size, "max_overflow": pool_size}
        self.engine: Engine = create_engine(self.url, **options)
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[Transaction]:
        """A write transaction of one tenant: committed at the end of the block, rolled back on an error.

        Raises:
            TransientError: The database cannot be reached or stayed locked; nothing was written.
        """
        with self._begin(write=True) as connection:
            self._enter_scope(connection, scope)
            yield Transaction(connection, scope)

    @contextmanager
    def read(self, scope: Scope) -> Iterator[Transaction]:
        """A read transaction of one tenant; it never waits for a writer on SQLite."""
        with self._begin(write=False) as connection:
            self._enter_scope(connection, scope)
            yield Transaction(connection, scope)

    @contextmanager
    def system(self, purpose: str, *, write: bool = True) -> Iterator[SystemTransaction]:
        """A transaction across tenants, for the few places that need one.

        Args:
            purpose: Why, in a word or two (`authenticate`, `reconcile`); PostgreSQL shows it as the session's purpose.
            write: Whether it writes.
        """
        with self._begin(write=write) as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SET LOCAL ROLE aiplatform_system"))
                say = text("SELECT set_config('aiplatform.purpose', :purpose, true)")
                connection.execute(say, {"purpose": purpose})
            yield SystemTransaction(connection, purpose)

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        """A transaction in which tables are made, as the role that owns them: partitions, never rows."""
        with self._begin(write=True) as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def _begin(self, *, write: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                if self.dialect == "sqlite":
                    # IMMEDIATE takes the write lock at once: a deferred transaction that reads first and writes later
                    # fails with "database is locked" instead of waiting.
                    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
        except OperationalError as error:
            raise _transient(error) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _transient(error) from error
            raise

    def _enter_scope(self, connection: Connection, scope: Scope) -> None:
        if self.dialect == "postgresql":
            connection.execute(
                text("SELECT set_config('aiplatform.tenant_id', :tenant_id, true)"), {"tenant_id": scope.tenant_id}
            )


def _transient(error: DBAPIError) -> TransientError:
    return TransientError(
        N_("The database cannot be reached: {problem}."),
        hint=N_("Nothing was written. Try again in a moment."),
        reason="database.unavailable",
        retry_after_s=2.0,
        problem=str(error.orig).strip(),
    )


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # Transactions are begun by hand (BEGIN IMMEDIATE), so the driver must not begin its own.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "temp_store=MEMORY",
            "cache_size=-32768",
        ):
            connection.execute(f"PRAGMA {pragma}")
