"""Names and values that a project has, for a query that is being typed. Each look is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiplatform.storage.database import Transaction
from aiplatform.tracing.attribute_values import name_in_index
from aiplatform.tracing.query.tree import TAG, Name, Space
from aiplatform.tracing.store.statements import IN_PROJECT, rows
from aiplatform.tracing.store.writing import split

if TYPE_CHECKING:
    from aiplatform.tracing.textindex.ports import IndexSql

MAX_LOOKED_AT: Final = 5_000
"""Newest traces or scores among which values are looked for."""

_COLUMNS: Final = {"name": "name", "service": "service", "session": "session_id", "user": "user_id", "model": "models"}
_LAST: Final = "\U0010ffff"


def seen_names(tx: Transaction, index: IndexSql, space: Space, typed: str, limit: int) -> list[str]:
    """Names of one space that begin with what was typed, in their order."""
    if space is Space.SCORE:
        sql = (
            f"SELECT DISTINCT m.name FROM (SELECT name FROM scores WHERE {IN_PROJECT} "  # noqa: S608 - constants
            f"ORDER BY created_ns DESC LIMIT {MAX_LOOKED_AT}) m"
        )
        return _beginning(typed, [row.name for row in rows(tx, sql)])[:limit]
    found: list[str] = []
    prefix = name_in_index(space, "")
    last = name_in_index(space, typed)
    # From one name to the next: a name may have a million values, and none of them is looked at.
    sql = f"SELECT min(name) AS name FROM {index.values} WHERE {IN_PROJECT} AND name {{order}} :last AND name < :end"  # noqa: S608
    end = last + _LAST
    order = ">="
    while len(found) < limit:
        row = rows(tx, sql.format(order=order), last=last, end=end)[0]
        if row.name is None:
            break
        found.append(row.name[len(prefix) :])
        last, order = row.name, ">"
    return found


def seen_values(tx: Transaction, index: IndexSql, name: Name, typed: str, limit: int) -> list[str]:
    """Values of a name that begin with what was typed, in their order."""
    if name.space is Space.SCORE:
        sql = (
            f"SELECT DISTINCT m.label FROM (SELECT label FROM scores WHERE {IN_PROJECT} AND name = :name "  # noqa: S608
            f"AND label IS NOT NULL ORDER BY created_ns DESC LIMIT {MAX_LOOKED_AT}) m"
        )
        return _beginning(typed, [row.label for row in rows(tx, sql, name=name.name)])[:limit]
    if name.space is Space.FIELD and name != TAG:
        return _of_column(tx, name.name, typed)[:limit]
    sql = (
        f"SELECT text FROM {index.values} WHERE {IN_PROJECT} AND name = :name AND text >= :typed "  # noqa: S608
        "AND text < :end ORDER BY text LIMIT :limit"
    )
    own = name_in_index(name.space, name.name)
    return [row.text for row in rows(tx, sql, name=own, typed=typed, end=typed + _LAST, limit=limit)]


def _of_column(tx: Transaction, field: str, typed: str) -> list[str]:
    column = _COLUMNS.get(field)
    if column is None:
        return []
    sql = (
        f"SELECT DISTINCT m.found FROM (SELECT {column} AS found FROM traces WHERE {IN_PROJECT} "  # noqa: S608
        f"ORDER BY start_ns DESC LIMIT {MAX_LOOKED_AT}) m WHERE m.found IS NOT NULL"
    )
    found = [row.found for row in rows(tx, sql)]
    return _beginning(typed, [word for words in found for word in split(words)] if field == "model" else found)


def _beginning(typed: str, found: Sequence[str]) -> list[str]:
    return sorted({each for each in found if each.lower().startswith(typed.lower())})
