"""Saved searches in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import saved_searches as table
from aiplatform.tracing.model import TraceSort


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch:
    """A query of traces under a name that its project shares."""

    search_id: str
    name: str
    query: str
    last: str | None
    """A range that ends now: `24h`. None where the time is `from_ns` to `to_ns`, or any."""

    from_ns: int | None
    to_ns: int | None
    sort: TraceSort
    created_ns: int
    created_by: str
    updated_ns: int
    updated_by: str


def all_searches(tx: Transaction) -> list[SavedSearch]:
    """Every saved search of the transaction's project, by name."""
    return [_search(row) for row in tx.execute(select(table).order_by(table.c.name))]


def get_search(tx: Transaction, search_id: str) -> SavedSearch | None:
    """One of them; None where there is none of that id."""
    row = tx.execute(select(table).where(table.c.search_id == search_id)).first()
    return None if row is None else _search(row)


def num_searches(tx: Transaction) -> int:
    """How many the project has."""
    return int(tx.execute(select(func.count()).select_from(table)).scalar() or 0)


def add_search(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Store a new one."""
    tx.insert(insert(table), row)


def change_search(tx: Transaction, search_id: str, values: Mapping[str, Any]) -> None:
    """Change one."""
    tx.execute(update(table).where(table.c.search_id == search_id).values(dict(values)))


def remove_search(tx: Transaction, search_id: str) -> None:
    """Take one away."""
    tx.execute(delete(table).where(table.c.search_id == search_id))


def remove_searches(tx: Transaction) -> None:
    """Take away every saved search that the transaction's scope reaches."""
    tx.execute(delete(table))


def _search(row: Any) -> SavedSearch:
    return SavedSearch(
        search_id=row.search_id,
        name=row.name,
        query=row.query,
        last=row.last,
        from_ns=row.from_ns,
        to_ns=row.to_ns,
        sort=TraceSort(row.sort),
        created_ns=row.created_ns,
        created_by=row.created_by,
        updated_ns=row.updated_ns,
        updated_by=row.updated_by,
    )
