"""Many rows at once, at the speed of the driver: SQLAlchemy's work per row costs more than the database's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, text


def insert_rows(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    fixed: Mapping[str, str],
    *,
    replace: bool = False,
) -> None:
    """Insert rows of one scope; a row whose key is there already is left out, or replaces what was there.

    Args:
        connection: Of an open transaction.
        table: A tenant's table.
        columns: Names in the order of each row, without the fixed ones.
        rows: At least one.
        fixed: Columns that have one value in all rows: the tenant's, and the project's.
        replace: Whether a row replaces the one of the same key; no two rows may have the same key then.
    """
    names = tuple(fixed)
    if connection.dialect.name == "sqlite":
        first = tuple(fixed.values())
        connection.exec_driver_sql(_sqlite(table, names + columns, replace), [first + row for row in rows])
        return
    # One statement with one array a column: COPY is refused under row-level security, and single inserts cost twice.
    arrays = {f"a{index}": list(values) for index, values in enumerate(zip(*rows, strict=True))}
    connection.execute(_postgresql(table, names, columns, replace), {**fixed, **arrays})


@lru_cache(maxsize=64)
def _sqlite(table: Table, columns: tuple[str, ...], replace: bool) -> str:
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - declared names
        f"ON CONFLICT {_on_conflict(table, columns, replace)}"
    )


@lru_cache(maxsize=64)
def _postgresql(table: Table, fixed: tuple[str, ...], columns: tuple[str, ...], replace: bool) -> Any:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - only where PostgreSQL is used

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    # A collation belongs to the column; a type in a cast has no place for one.
    types = [table.c[name].type.compile(dialect=dialect).partition(" COLLATE ")[0] for name in columns]
    arrays = ", ".join(f"CAST(:a{index} AS {type_}[])" for index, type_ in enumerate(types))
    first = ", ".join(f"CAST(:{name} AS {table.c[name].type.compile(dialect=dialect)})" for name in fixed)
    return text(
        f"INSERT INTO {table.name} ({', '.join(fixed + columns)}) "  # noqa: S608 - declared names
        f"SELECT {first}, * FROM unnest({arrays}) "
        f"ON CONFLICT {_on_conflict(table, columns, replace)}"
    )


def _on_conflict(table: Table, columns: tuple[str, ...], replace: bool) -> str:
    if not replace:
        return "DO NOTHING"
    key = [column.name for column in table.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"({', '.join(key)}) DO UPDATE SET {changed}"
