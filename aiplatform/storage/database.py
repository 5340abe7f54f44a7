"""The database: an engine, and tenant-scoped transactions as the only way to reach rows."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    CompoundSelect,
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
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.expression import Executable

from aiplatform.core.errors import ConfigError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.bulk import insert_rows
from aiplatform.storage.scoping import scoped_insert, scoped_statement

BUSY_TIMEOUT_MS: Final = 10_000
DRIVERS: Final = frozenset({("sqlite", "pysqlite"), ("postgresql", "psycopg")})
SYSTEM_ROLE: Final = "aiplatform_system"

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

    def execute(self, statement: Select[Any] | CompoundSelect[Any] | Update | Delete) -> CursorResult[Any]:
        """Run a statement within the scope.

        Raises:
            ValueError: The statement has a part that cannot be limited to the tenant.
        """
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
    """One SQL database: SQLite (WAL) embedded, PostgreSQL in production. Thread safe.

    Args:
        url: SQLAlchemy address.
        pool_size: Connections kept; so many more are made under load.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = _checked_url(url)
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_pre_ping": not self._is_sqlite, "pool_size": pool_size}
        self.engine: Engine = create_engine(self.url, max_overflow=pool_size, hide_parameters=True, **options)
        self._write_lock = threading.Lock()
        """SQLite has one writer: threads of this process queue here, woken at once, instead of polling the file."""

        self._entered = threading.local()
        if self._is_sqlite:
            _prepare_sqlite(self.engine)
        else:
            _prepare_postgres(self.engine)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[Transaction]:
        """A write transaction of one tenant: committed at the end of the block, rolled back on an error.

        Raises:
            TransientError: The database cannot be reached or stayed locked.
        """
        with self._begin(write=True) as connection:
            self._enter_scope(connection, scope)
            yield Transaction(connection, scope)

    @contextmanager
    def read(self, scope: Scope, *, is_snapshot: bool = False) -> Iterator[Transaction]:
        """A read transaction of one tenant; it never waits for a writer on SQLite.

        Args:
            scope: Tenant and project.
            is_snapshot: Whether all its statements see one state of the database. On SQLite they always do; on
                PostgreSQL each sees what is committed when it begins, unless this is asked for.
        """
        with self._begin(write=False, is_snapshot=is_snapshot) as connection:
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
            if not self._is_sqlite:
                connection.execute(text(f"SET LOCAL ROLE {SYSTEM_ROLE}"))
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
    def _begin(self, *, write: bool, is_snapshot: bool = False) -> Iterator[Connection]:
        with self._turn_to_write(write), _as_our_errors(), self.engine.connect() as connection:
            self._open(connection, write, is_snapshot)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            else:
                connection.commit()
            finally:
                if self._is_sqlite and not write:
                    connection.exec_driver_sql("PRAGMA query_only = 0")

    def _open(self, connection: Connection, write: bool, is_snapshot: bool) -> None:
        """Begin a transaction; one that reads cannot write."""
        if not self._is_sqlite:
            if is_snapshot:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            if not write:
                connection.execute(text("SET TRANSACTION READ ONLY"))
            return
        if not write:
            connection.exec_driver_sql("PRAGMA query_only = 1")
        # IMMEDIATE takes the write lock at once: a deferred transaction that reads first and writes later fails with
        # "database is locked" instead of waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    @contextmanager
    def _turn_to_write(self, write: bool) -> Iterator[None]:
        if not (write and self._is_sqlite):
            yield
            return
        if getattr(self._entered, "is_writing", False):
            raise RuntimeError("a write transaction inside another of the same thread would wait for itself")
        if not self._write_lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise _unavailable(N_("other writes take too long"))
        self._entered.is_writing = True
        try:
            yield
        finally:
            self._entered.is_writing = False
            self._write_lock.release()

    def _enter_scope(self, connection: Connection, scope: Scope) -> None:
        if not self._is_sqlite:
            connection.execute(
                text("SELECT set_config('aiplatform.tenant_id', :tenant_id, true)"), {"tenant_id": scope.tenant_id}
            )


def _checked_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")  # SQLAlchemy 2.0 would take psycopg2
        backend = parsed.get_backend_name()
        driver = parsed.get_driver_name()
    except (ArgumentError, NoSuchModuleError):
        backend, driver, parsed = "", "", None
    if parsed is None or (backend, driver) not in DRIVERS:
        # The address may hold a password: it is not repeated.
        raise ConfigError(
            N_("The setting database.url names no database that is known here."),
            hint=N_("Write sqlite:///path/to/file or postgresql+psycopg://user:password@host/name."),
            reason="database.url",
        )
    return parsed


@contextmanager
def _as_our_errors() -> Iterator[None]:
    """Turn what the network, a lock or a full disk does into `TransientError`; a wrong statement stays what it is."""
    try:
        yield
    except PoolTimeout:
        raise _unavailable(N_("all its connections are in use")) from None
    except DBAPIError as error:
        if error.connection_invalidated or _is_passing(error):
            raise _unavailable(str(error.orig).strip().rstrip(".")) from error
        raise


def _is_passing(error: DBAPIError) -> bool:
    if not isinstance(error, OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    # SQLite calls a missing table or a syntax error "operational" too, and a write inside a read.
    return code is None or code & 0xFF not in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY}


def _unavailable(problem: str) -> TransientError:
    return TransientError(
        N_("The database cannot be used now: {problem}."),
        hint=N_("Try again in a moment. A write that was not acknowledged can be repeated."),
        reason="database.unavailable",
        retry_after_s=2.0,
        problem=problem,
    )


def _prepare_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # A statement that comes again and again is prepared, and would after five times keep one plan for good: one
        # that was made for nearly empty tables (those of a new installation, a new day's partition) walks through all
        # of a tenant's rows for every span of a batch, until somebody analyses the table.
        with connection.cursor() as cursor:
            cursor.execute("SET plan_cache_mode = force_custom_plan")
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    if engine.url.database:
        _make_private_file(Path(engine.url.database))

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # Transactions are begun by hand (BEGIN IMMEDIATE), so the driver must not begin its own.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-32768",
        ):
            connection.execute(f"PRAGMA {pragma}")


def _make_private_file(file: Path) -> None:
    """Make the file, readable by its owner alone, where there is none; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigError(
            N_("The database file {path!r} cannot be opened: {problem}."),
            hint=N_("Make its folder, and let the platform's user write there; or set another data_dir."),
            reason="database.file",
            path=str(file),
            problem=error.strerror or str(error),
        ) from None
