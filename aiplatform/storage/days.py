"""Partitions by day on PostgreSQL: made when the first row of a day comes, behind the same policies as their table."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Table, text

from aiplatform.core.errors import TransientError
from aiplatform.storage.database import SYSTEM_ROLE, Database
from aiplatform.storage.rls import protect

_LOCK_KEY: Final = 7_101_960  # one advisory lock for all partitions: they are made once a day


class DayPartitions:
    """The days of one partitioned table. Thread safe; nothing to do on SQLite."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table.name
        self._known: set[int] = set()
        self._lock = threading.Lock()
        """Guards `_known`."""

    def ensure(self, days: Iterable[int]) -> None:
        """Make the partitions that are missing; call it before the transaction that writes.

        Raises:
            TransientError: The database cannot be reached.
        """
        if self._database.dialect == "sqlite":
            return
        missing = set(days) - self._known
        if not missing:
            return
        with self._lock:
            self._create(sorted(missing))
            self._known |= missing

    def forget(self, days: Iterable[int]) -> None:
        """Look again for these days' partitions: somebody may have dropped one that was empty."""
        with self._lock:
            self._known -= set(days)

    def _create(self, days: list[int]) -> None:
        with self._database.owner() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            for day in days:
                name = _partition(self._table, day)
                exists = connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar()
                if exists is None:
                    connection.execute(
                        text(
                            f'CREATE TABLE "{name}" PARTITION OF "{self._table}" FOR VALUES FROM ({day}) TO ({day + 1})'
                        )
                    )
                    # A partition that is named directly is guarded by its own policies alone.
                    protect(connection, [name])


def drop_empty_days(database: Database, table: Table, *, before: int) -> list[int]:
    """Drop the partitions of days that hold no row of any tenant; returns which. Nothing to do on SQLite.

    Each takes its locks for a moment, and is left alone where it cannot have them within a fifth of a second: writers
    go first, and the next run comes by again. `DayPartitions` makes a dropped day anew when a row of it comes.

    Args:
        database: Where the table lies.
        table: A table with a partition a day.
        before: Only days before this one (days since 1970).

    Raises:
        TransientError: The database cannot be reached.
    """
    if database.dialect == "sqlite":
        return []
    with database.owner() as connection:
        days = [day for day in _days_of(connection, table.name) if day < before]
    return [day for day in days if _drop_if_empty(database, table.name, day)]


def _drop_if_empty(database: Database, table: str, day: int) -> bool:
    name = _partition(table, day)
    try:
        with database.owner() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
            # The table's own lock first, as every writer takes it, then that of the day.
            connection.execute(text(f'LOCK TABLE ONLY "{table}", ONLY "{name}" IN ACCESS EXCLUSIVE MODE'))
            # The owner sees no tenant's row, so it would find every day empty: the system's role looks.
            connection.execute(text(f"SET LOCAL ROLE {SYSTEM_ROLE}"))
            look = text(f'SELECT NOT EXISTS (SELECT 1 FROM "{table}" WHERE day = :day)')  # noqa: S608 - our own name
            is_empty = connection.execute(look, {"day": day}).scalar()
            connection.execute(text("RESET ROLE"))
            if is_empty:
                connection.execute(text(f'DROP TABLE "{name}"'))
    except TransientError:
        return False  # a writer was there
    return bool(is_empty)


def _days_of(connection: Connection, table: str) -> list[int]:
    names = connection.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(:table) ORDER BY 1"
        ),
        {"table": table},
    ).scalars()
    tails = [name.removeprefix(f"{table}_") for name in names]
    return sorted(int(tail[1:]) * (-1 if tail[0] == "m" else 1) for tail in tails)


def _partition(table: str, day: int) -> str:
    return f"{table}_{'m' if day < 0 else 'd'}{abs(day)}"
