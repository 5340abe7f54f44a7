"""A lease in the database: of all processes that want it, one holds it, until it lets go or dies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, insert, or_, update
from sqlalchemy.exc import IntegrityError

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.gateway import leases

PLATFORM_SCOPE: Final = Scope(tenant_id="-")
"""Rows of the platform itself. No tenant can have this name, which is no slug."""


class Lease:
    """One named lease, as one process sees it.

    Args:
        database: Where it lies.
        name: What it is for.
        holder: Who wants it; unique among all processes.
        lifetime_s: Seconds after which it is free again where its holder does not renew it.
        clock: What time it is.
    """

    def __init__(
        self, database: Database, name: str, *, holder: str, lifetime_s: float, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._lifetime_ns = int(lifetime_s * 1_000_000_000)
        self._clock = clock or SystemClock()

    def hold(self) -> bool:
        """Take or renew it; whether this process holds it now.

        Raises:
            TransientError: The database cannot be reached.
        """
        now_ns = self._clock.now_ns()
        row = {"holder": self._holder, "expires_ns": now_ns + self._lifetime_ns}
        mine_or_free = or_(leases.c.holder == self._holder, leases.c.expires_ns < now_ns)
        try:
            with self._database.transaction(PLATFORM_SCOPE) as tx:
                taken = tx.execute(update(leases).where(leases.c.name == self._name, mine_or_free).values(**row))
                if taken.rowcount == 0:
                    tx.insert(insert(leases), {"name": self._name, **row})
        except IntegrityError:
            return False  # another process holds it
        return True

    def release(self) -> None:
        """Let go, so that another need not wait; nothing where another holds it."""
        with self._database.transaction(PLATFORM_SCOPE) as tx:
            tx.execute(delete(leases).where(leases.c.name == self._name, leases.c.holder == self._holder))
