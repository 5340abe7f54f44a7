"""Removing what the hosted MLflow keeps of projects: rows of its own database, and its files.

MLflow deletes a workspace's experiments by a mark, and leaves their runs, traces and models where they are. So the rows
go by what the database itself declares: a row belongs to a workspace by a column of that name, or by a foreign key to
such a row, or by one of the few columns that MLflow joins without declaring a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    MetaData,
    Table,
    create_engine,
    delete,
    false,
    or_,
    select,
    tuple_,
)
from sqlalchemy.exc import OperationalError

from aiplatform.core.errors import TransientError
from aiplatform.core.hooks import hookimpl
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.registry.workspaces import workspace_name
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.tenancy import store

_UNDECLARED: Final = {
    "sql_assessment_daily_rollups": (("experiment_id", "experiments", "experiment_id"),),
    "sql_span_cost_daily_rollups": (("experiment_id", "experiments", "experiment_id"),),
    "sql_trace_metric_daily_rollups": (("experiment_id", "experiments", "experiment_id"),),
    "sql_trace_rollup_rebuild_queue": (("experiment_id", "experiments", "experiment_id"),),
    "inputs": (("destination_id", "runs", "run_uuid"), ("source_id", "datasets", "dataset_uuid")),
    "input_tags": (("input_uuid", "inputs", "input_uuid"),),
    "entity_associations": (
        ("destination_id", "runs", "run_uuid"),
        ("source_id", "runs", "run_uuid"),
        ("destination_id", "experiments", "experiment_id"),
        ("source_id", "trace_info", "request_id"),
        ("source_id", "evaluation_datasets", "dataset_id"),
    ),
}
"""Table -> (its column, the other table, that one's column)."""

_WORKSPACES: Final = "workspaces"


class MlflowErasure:
    """Deletes workspaces from MLflow's database and its folder of files.

    Args:
        database: The platform's, which knows a tenant's projects.
        mlflow_url: SQLAlchemy address of MLflow's own.
        files: MLflow's artifacts, one folder a workspace.
    """

    def __init__(self, database: Database, mlflow_url: str, files: ArtifactStore) -> None:
        self._database = database
        self._mlflow_url = mlflow_url
        self._files = files

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Remove everything of a tenant, or of one project of it. Repeating it changes nothing."""
        names = [workspace_name(one) for one in self._projects(scope)]
        engine = create_engine(self._mlflow_url, hide_parameters=True)
        try:
            with engine.begin() as connection:
                erase_workspaces(connection, names)
        except OperationalError as error:
            raise TransientError(
                N_("MLflow's database cannot be written now: {problem}."),
                reason="registry.mlflow_database",
                problem=str(error.orig),
            ) from None
        finally:
            engine.dispose()
        for name in names:
            self._files.delete_scope(Scope(tenant_id=name))

    def _projects(self, scope: Scope) -> list[Scope]:
        if scope.project_id is not None:
            return [scope]
        with self._database.read(scope) as tx:
            found = store.projects_of(tx)
        return [Scope(tenant_id=scope.tenant_id, project_id=one.project_id) for one in found]


def erase_workspaces(connection: Connection, names: Sequence[str]) -> int:
    """Delete every row of some workspaces; returns how many."""
    if not names:
        return 0
    found = MetaData()
    found.reflect(connection)
    owned = _Owned(found, names)
    # Children before those that they are found by: what is joined without a key first, its own children before it.
    undeclared = [found.tables[name] for name in reversed(_UNDECLARED) if name in found.tables]
    declared = [table for table in reversed(found.sorted_tables) if table.name not in _UNDECLARED]
    order = [*undeclared, *declared]
    return sum(connection.execute(delete(table).where(owned.by(table))).rowcount for table in order)


class _Owned:
    """Which rows of a table belong to the workspaces."""

    def __init__(self, found: MetaData, names: Sequence[str]) -> None:
        self._tables = found.tables
        self._by_name = {table.name: table for table in found.tables.values()}
        self._names = names
        self._known: dict[str, ColumnElement[bool]] = {}

    def by(self, table: Table) -> ColumnElement[bool]:
        """The condition on a table's rows."""
        if table.name not in self._known:
            self._known[table.name] = false()  # ends a circle of keys
            self._known[table.name] = or_(false(), *self._reasons(table))
        return self._known[table.name]

    def _reasons(self, table: Table) -> list[ColumnElement[bool]]:
        if table.name == _WORKSPACES:
            return [table.c.name.in_(self._names)]
        reasons: list[ColumnElement[bool]] = [table.c.workspace.in_(self._names)] if "workspace" in table.c else []
        if not reasons:
            reasons += [self._through(key) for key in _declared(table)]
        for column, other, key in _UNDECLARED.get(table.name, ()):
            if other in self._by_name:
                parent = self._by_name[other]
                reasons.append(table.c[column].in_(select(parent.c[key]).where(self.by(parent))))
        return reasons

    def _through(self, key: ForeignKeyConstraint) -> ColumnElement[bool]:
        parent = key.referred_table
        mine, theirs = list(key.columns), [element.column for element in key.elements]
        return tuple_(*mine).in_(select(*theirs).where(self.by(parent)))


def _declared(table: Table) -> list[ForeignKeyConstraint]:
    """The keys by which a row belongs to another; one that may be emptied says nothing about belonging."""
    return [key for key in table.foreign_key_constraints if key.ondelete != "SET NULL"]
