"""Puts the tenant's condition on every table of a statement, so that no query can be written without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Alias, ColumnElement, Delete, Insert, Select, Table, Update, and_
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import FromClause, Join

from aiplatform.core.scope import Scope

Statement = TypeVar("Statement", bound=Select[Any] | Update | Delete)


def scoped_statement(statement: Statement, scope: Scope) -> Statement:
    """A copy of `statement` in which every tenant table, at any depth, is limited to the scope."""

    def on_select(select: Select[Any]) -> None:
        for source in select.get_final_froms():
            for table in _outer_tables(source):
                Select.where.non_generative(select, _within(table, scope))  # type: ignore[attr-defined]

    def on_join(join: Join) -> None:
        # The right side is limited in its ON clause: a WHERE would turn an outer join into an inner one.
        for table in _outer_tables(join.right):
            join.onclause = and_(join.onclause, _within(table, scope))  # type: ignore[arg-type]

    def on_change(change: Update | Delete) -> None:
        if isinstance(change.table, Table):
            type(change).where.non_generative(change, _within(change.table, scope))  # type: ignore[attr-defined]

    return visitors.cloned_traverse(
        statement, {}, {"select": on_select, "join": on_join, "update": on_change, "delete": on_change}
    )


def scoped_insert(
    statement: Insert, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any], scope: Scope
) -> list[dict[str, Any]] | dict[str, Any]:
    """The rows with the scope's tenant (and project, where the table has one) filled in.

    Raises:
        ValueError: A row names another tenant or project.
    """
    table = statement.table
    if not isinstance(table, Table) or "tenant_id" not in table.c:
        raise ValueError(f"{table} is not a tenant's table")
    needs_project = bool(table.info.get("project"))
    if isinstance(rows, Mapping):
        return _scoped_row(rows, scope, needs_project)
    return [_scoped_row(row, scope, needs_project) for row in rows]


def _scoped_row(row: Mapping[str, Any], scope: Scope, needs_project: bool) -> dict[str, Any]:
    if row.get("tenant_id", scope.tenant_id) != scope.tenant_id:
        raise ValueError(f"a row of tenant {row['tenant_id']!r} in a transaction of {scope.tenant_id!r}")
    scoped = {**row, "tenant_id": scope.tenant_id}
    if needs_project and scope.project_id is not None:
        if row.get("project_id", scope.project_id) != scope.project_id:
            raise ValueError(f"a row of project {row['project_id']!r} in a transaction of {scope.project_id!r}")
        scoped["project_id"] = scope.project_id
    return scoped


def _outer_tables(source: FromClause) -> Iterator[FromClause]:
    """Tables of a FROM clause that its own WHERE may limit: the left end of joins, and what stands alone."""
    if isinstance(source, Join):
        yield from _outer_tables(source.left)
    elif "tenant_id" in source.c and isinstance(source.element if isinstance(source, Alias) else source, Table):
        yield source


def _within(table: FromClause, scope: Scope) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.c.tenant_id == scope.tenant_id
    origin = table.element if isinstance(table, Alias) else table
    if scope.project_id is not None and isinstance(origin, Table) and origin.info.get("project"):
        condition = and_(condition, table.c.project_id == scope.project_id)
    return condition
