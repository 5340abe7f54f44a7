"""Rows of training runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.train import training_runs as table
from aiplatform.train.model import TrainingRun, TrainingState

_OPEN = (str(TrainingState.PENDING), str(TrainingState.RUNNING))


class TrainingStore:
    """Training runs of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, run: TrainingRun) -> bool:
        """Keep a new run; False where its id is taken in this tenant."""
        row = {
            "run_id": run.run_id,
            "name": run.name,
            "state": str(run.state),
            "spec": dict(run.spec),
            "message": run.message,
            "job_id": run.job_id,
            "experiment": run.experiment,
            "mlflow_run_id": run.mlflow_run_id,
            "datasets": [*run.datasets],
            "metrics": dict(run.metrics),
            "checkpoint_path": run.checkpoint_path,
            "model": run.model,
            "created_by": run.created_by,
            "created_ns": run.created_ns,
            "started_ns": run.started_ns,
            "ended_ns": run.ended_ns,
        }
        try:
            with self._database.transaction(scope) as tx:
                tx.insert(insert(table), row)
        except IntegrityError:
            return False
        return True

    def get(self, scope: Scope, run_id: str) -> TrainingRun | None:
        """One run; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            row = tx.execute(select(table).where(table.c.run_id == run_id)).one_or_none()
        return None if row is None else _run(row._mapping)

    def page(self, scope: Scope, *, limit: int, before_ns: int | None) -> list[TrainingRun]:
        """Runs, the newest first."""
        statement: Select[Any] = select(table).order_by(table.c.created_ns.desc(), table.c.run_id).limit(limit)
        if before_ns is not None:
            statement = statement.where(table.c.created_ns < before_ns)
        with self._database.read(scope) as tx:
            return [_run(row._mapping) for row in tx.execute(statement)]

    def change(self, scope: Scope, run_id: str, values: dict[str, Any]) -> bool:
        """Change an open run; False where it has ended, which stays as it is."""
        statement = update(table).where(table.c.run_id == run_id, table.c.state.in_(_OPEN)).values(**values)
        with self._database.transaction(scope) as tx:
            return tx.execute(statement).rowcount == 1


def _run(row: RowMapping) -> TrainingRun:
    return TrainingRun(
        run_id=row["run_id"],
        name=row["name"],
        state=TrainingState(row["state"]),
        spec=row["spec"],
        message=row["message"],
        job_id=row["job_id"],
        experiment=row["experiment"],
        mlflow_run_id=row["mlflow_run_id"],
        datasets=tuple(row["datasets"]),
        metrics=row["metrics"],
        checkpoint_path=row["checkpoint_path"],
        model=row["model"],
        created_by=row["created_by"],
        created_ns=row["created_ns"],
        started_ns=row["started_ns"],
        ended_ns=row["ended_ns"],
    )
