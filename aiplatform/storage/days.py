"""Partitions by day on PostgreSQL: made when the first row of a day comes, behind the same policies as their table."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Table, text

from aiplatform.storage.database import Database
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

    def _create(self, days: list[int]) -> None:
        with self._database.owner() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            for day in days:
                name = f"{self._table}_{'m' if day < 0 else 'd'}{abs(day)}"
                exists = connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar()
                if exists is None:
                    connection.execute(
                        text(
                            f'CREATE TABLE "{name}" PARTITION OF "{self._table}" FOR VALUES FROM ({day}) TO ({day + 1})'
                        )
                    )
                    # A partition that is named directly is guarded by its own policies alone.
                    protect(connection, [name])
