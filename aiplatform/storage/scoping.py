"""Puts the tenant's condition on every table of a statement, so that no query can be written without one.

What cannot be limited with certainty (hand-written FROM clauses, FULL joins, an insert that carries values of its own)
is refused rather than let through: `Transaction.raw` is the door for SQL written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Delete,
    Insert,
    Select,
    Table,
    TextualSelect,
    Update,
    Values,
    and_,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    FromClause,
    FromGrouping,
    Join,
    SelectStatementGrouping,
)

from aiplatform.core.scope import Scope

Statement = TypeVar("Statement", bound=Select[Any] | CompoundSelect[Any] | Update | Delete)

_OWNERSHIP = ("tenant_id", "project_id")


def scoped_statement(statement: Statement, scope: Scope) -> Statement:
    """A copy of `statement` in which every tenant table, at any depth, is limited to the scope.

    Raises:
        ValueError: The statement has a part that cannot be limited, or would give rows to another tenant.
    """
    if not isinstance(statement, Select | CompoundSelect | Update | Delete):
        raise ValueError(f"{type(statement).__name__} is not run within a scope: use insert or raw")

    def on_select(select: Select[Any]) -> None:
        select._setup_joins = tuple(_scoped_join(entry, scope) for entry in select._setup_joins)
        for source in select.get_final_froms():
            for table in _outer_tables(source):
                Select.where.non_generative(select, _within(table, scope))  # type: ignore[attr-defined]

    def on_join(join: Join) -> None:
        # The right side is limited in its ON clause: a WHERE would turn an outer join into an inner one.
        join.onclause = _scoped_condition(join.onclause, join.right, scope, is_full=join.full)

    def on_change(change: Update | Delete) -> None:
        if isinstance(change, Update):
            _check_changed_columns(change, scope)
        for source in _changed_and_used(change):
            if not isinstance(_origin(source), Table):
                raise ValueError("name only tables beside the changed one: a statement there is not visited")
            for table in _outer_tables(source):
                type(change).where.non_generative(change, _within(table, scope))  # type: ignore[attr-defined]

    def on_text(_statement: TextualSelect) -> None:
        raise ValueError("hand-written SQL cannot be limited to a tenant: use raw")

    def on_insert(_statement: Insert) -> None:
        raise ValueError("an insert inside another statement is not checked: use insert")

    visits: dict[str, Callable[[Any], None]] = {
        "select": on_select,
        "join": on_join,
        "update": on_change,
        "delete": on_change,
        "insert": on_insert,
        "textual_select": on_text,
    }
    return visitors.cloned_traverse(statement, {}, visits)


def scoped_insert(
    statement: Insert, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any], scope: Scope
) -> list[dict[str, Any]] | dict[str, Any]:
    """The rows with the scope's tenant (and project, where the table has one) filled in.

    Raises:
        ValueError: A row names another tenant or project, or the statement carries rows of its own.
    """
    table = statement.table
    if not isinstance(table, Table) or "tenant_id" not in table.c:
        raise ValueError(f"{table} is not a tenant's table")
    if statement._values or statement._multi_values or statement.select is not None:
        raise ValueError("give an insert its rows as arguments: values inside the statement are not checked")
    _check_conflict(statement)
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


def _check_conflict(statement: Insert) -> None:
    """An upsert finds the row that it replaces by a key; a key without the tenant could be another's."""
    clause = statement._post_values_clause
    if clause is None or "do_update" not in clause.__visit_name__:
        return
    names = {getattr(element, "name", element) for element in getattr(clause, "inferred_target_elements", None) or ()}
    if "tenant_id" not in names:
        raise ValueError("name the key of an upsert by its columns, tenant_id among them")
    values = getattr(clause, "update_values_to_set", ())
    _check_names({getattr(key, "name", key) for key, _ in (values.items() if isinstance(values, dict) else values)})


def _check_changed_columns(change: Update, scope: Scope) -> None:
    # SQLAlchemy 2.1 keeps ordered values among the others; 2.0 keeps them apart.
    keys = [*(change._values or {}), *(key for key, _ in getattr(change, "_ordered_values", None) or ())]
    names = {getattr(key, "name", key) for key in keys}
    if scope.project_id is None or not _origin(change.table).info.get("project"):
        names -= {"project_id"}
    _check_names(names)


def _check_names(names: set[Any]) -> None:
    for name in _OWNERSHIP:
        if name in names:
            raise ValueError(f"{name} never changes: a row stays with its owner")


def _scoped_join(entry: Any, scope: Scope) -> Any:
    """One `.join(...)` of a select: SQLAlchemy keeps it as a tuple until it compiles."""
    target, condition, left, flags = entry
    return target, _scoped_condition(condition, target, scope, is_full=flags["full"]), left, flags


def _scoped_condition(condition: Any, right: Any, scope: Scope, *, is_full: bool) -> Any:
    if is_full:
        raise ValueError("a FULL join shows rows that its condition does not bind: write two queries")
    limits = [_within(table, scope) for table in _outer_tables(right)]
    if limits and condition is None:
        raise ValueError("write the condition of a join: an implied one cannot be limited")
    return and_(condition, *limits) if limits else condition


def _changed_and_used(change: Update | Delete) -> list[Any]:
    """The table that an UPDATE or DELETE changes, and those that it names beside (FROM, USING)."""
    found = [change.table]
    values = getattr(change, "_values", None) or {}
    for part in (*change._where_criteria, *values.values()):
        found += [source for source in getattr(part, "_from_objects", ()) if source not in found]
    return found


def _outer_tables(source: Any) -> Iterator[FromClause]:
    """Tables of a FROM clause that its own WHERE may limit: the left end of joins, and what stands alone.

    What is neither a table nor made of statements that are limited themselves is refused.
    """
    origin = _origin(source)
    match origin:
        case Join():
            yield from _outer_tables(origin.left)
        case FromGrouping():
            yield from _outer_tables(origin.element)
        case Table() if "tenant_id" in origin.c:
            yield source
        case AliasedReturnsRows(element=Select() | CompoundSelect() | SelectStatementGrouping() | Update() | Delete()):
            pass  # limited where its own statement is visited
        case Values() | AliasedReturnsRows(element=Values() | FunctionElement()):
            pass  # listed values, and functions of values, are nobody's rows
        case _:
            raise ValueError(f"{origin} is not a tenant's table, and cannot be limited: use raw")


def _origin(source: FromClause) -> Any:
    """The table behind aliases and samples; what is no table stands for itself."""
    while isinstance(source, AliasedReturnsRows) and isinstance(source.element, Table | AliasedReturnsRows):
        source = source.element
    return source


def _within(table: FromClause, scope: Scope) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.c.tenant_id == scope.tenant_id
    origin = _origin(table)
    if scope.project_id is not None and origin.info.get("project"):
        condition = and_(condition, table.c.project_id == scope.project_id)
    return condition
