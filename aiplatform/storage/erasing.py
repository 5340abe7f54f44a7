"""Every row of a tenant, or of one project of it, in whichever table: nothing is forgotten when a table is added."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, delete

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables import metadata

KEPT_OF_PROJECTS: Final = frozenset({"audit_events"})
"""What a tenant did stays told while the tenant is there, though the project that it was done in is gone."""


def erase_rows(database: Database, scope: Scope) -> int:
    """Delete them all in one transaction; returns how many. Repeating it changes nothing."""
    with database.transaction(scope) as tx:
        return sum(_erased(tx, table) for table in reversed(metadata.sorted_tables) if "tenant_id" in table.c)


def _erased(tx: Transaction, table: Table) -> int:
    statement = delete(table)
    if tx.scope.project_id is not None and not table.info["project"]:
        # The transaction limits such a table to the tenant alone: its project is a plain value.
        if table.name in KEPT_OF_PROJECTS:
            return 0
        statement = statement.where(table.c.project_id == tx.scope.project_id)
    return tx.execute(statement).rowcount
