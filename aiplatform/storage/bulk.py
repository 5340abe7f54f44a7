"""Many rows at once, at the speed of the driver: SQLAlchemy's work per row costs more than the database's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, text


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], tenant_id: str
) -> None:
    """Insert rows of one tenant; a row whose key is there already is left out.

    Args:
        connection: Of an open transaction.
        table: A tenant's table.
        columns: Names in the order of each row, without `tenant_id`.
        rows: At least one.
        tenant_id: Whose rows they are.
    """
    if connection.dialect.name == "sqlite":
        tenant = (tenant_id,)
        connection.exec_driver_sql(_sqlite(table, columns), [tenant + row for row in rows])
        return
    # One statement with one array a column: COPY is refused under row-level security, and single inserts cost twice.
    arrays = {f"a{index}": list(values) for index, values in enumerate(zip(*rows, strict=True))}
    connection.execute(_postgresql(table, columns), {"tenant_id": tenant_id, **arrays})


@lru_cache(maxsize=64)
def _sqlite(table: Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * (len(columns) + 1))
    return f"INSERT INTO {table.name} (tenant_id, {', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


@lru_cache(maxsize=64)
def _postgresql(table: Table, columns: tuple[str, ...]) -> Any:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - only where PostgreSQL is used

    dialect = postgresql.dialect()
    types = [table.c[name].type.compile(dialect=dialect) for name in columns]
    arrays = ", ".join(f"CAST(:a{index} AS {type_}[])" for index, type_ in enumerate(types))
    names = ", ".join(columns)
    return text(
        f"INSERT INTO {table.name} (tenant_id, {names}) "  # noqa: S608 - names from the table's declaration
        f"SELECT :tenant_id, * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
    )
