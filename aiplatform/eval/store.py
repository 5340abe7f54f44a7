"""Rows of evaluation runs and comparisons in SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import Column, RowMapping, Select, Table, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from aiplatform.core.scope import Scope
from aiplatform.eval.model import Comparison, EvaluationRun, RunStatus, from_json, to_json
from aiplatform.storage.database import Database
from aiplatform.storage.tables.evaluations import comparisons, evaluation_calls, evaluation_runs


class EvaluationStore:
    """Runs and comparisons of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, run: EvaluationRun) -> bool:
        """Keep a new run; False where its id is taken in this tenant."""
        values = {**_run_values(run), "created_by": run.created_by, "created_ns": run.created_ns}
        try:
            with self._database.transaction(scope) as tx:
                tx.insert(insert(evaluation_runs), {**values, "run_id": run.run_id, "seen_ns": run.created_ns})
        except IntegrityError:
            return False
        return True

    def get(self, scope: Scope, run_id: str) -> EvaluationRun | None:
        """One run; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            row = tx.execute(select(evaluation_runs).where(evaluation_runs.c.run_id == run_id)).one_or_none()
        return None if row is None else _run(row._mapping)

    def change(
        self,
        scope: Scope,
        run_id: str,
        now_ns: int,
        changed: Callable[[EvaluationRun], EvaluationRun],
        *,
        also: Collection[RunStatus] = (),
    ) -> EvaluationRun | None:
        """Replace an open run by what `changed` makes of it; one that has ended stays as it is.

        Args:
            scope: Tenant and project.
            run_id: The run.
            now_ns: When something was heard of it.
            changed: Makes the new run of the old one.
            also: States of ended runs that change too.

        Returns:
            The run as it now stands; None where the scope has none of that id.
        """
        statement = select(evaluation_runs).where(evaluation_runs.c.run_id == run_id).with_for_update()
        with self._database.transaction(scope) as tx:
            row = tx.execute(statement).one_or_none()
            if row is None:
                return None
            run = _run(row._mapping)
            if run.status.is_final and run.status not in also:
                return run
            new = changed(run)
            where = update(evaluation_runs).where(evaluation_runs.c.run_id == run_id)
            tx.execute(where.values(**_run_values(new), seen_ns=now_ns))
        return new

    def page(
        self, scope: Scope, *, limit: int, after: str | None, data: str | None = None, status: str | None = None
    ) -> tuple[list[EvaluationRun], str | None]:
        """Runs, newest first, and what the next page begins after."""
        statement = _newest_first(evaluation_runs, evaluation_runs.c.run_id, limit, after)
        if data is not None:
            statement = statement.where(evaluation_runs.c.data_label == data)
        if status is not None:
            statement = statement.where(evaluation_runs.c.status == status)
        with self._database.read(scope) as tx:
            runs = [_run(row._mapping) for row in tx.execute(statement)]
        return runs[:limit], _token(runs[limit - 1].created_ns, runs[limit - 1].run_id) if len(runs) > limit else None

    def silent_since(self, before_ns: int) -> list[tuple[Scope, str]]:
        """Every tenant's running runs without news since then: for the worker."""
        columns = evaluation_runs.c
        statement = select(columns.tenant_id, columns.project_id, columns.run_id).where(
            columns.status == str(RunStatus.RUNNING), columns.seen_ns < before_ns
        )
        with self._database.system("sweep evaluations", write=False) as tx:
            return [
                (Scope(tenant_id=row.tenant_id, project_id=row.project_id), row.run_id) for row in tx.execute(statement)
            ]

    def add_comparison(self, scope: Scope, comparison: Comparison) -> None:
        """Keep a new comparison."""
        row = {
            "comparison_id": comparison.comparison_id,
            "name": comparison.name,
            "baseline_id": comparison.baseline.run_id,
            "metric": comparison.primary.name,
            "result": to_json(comparison),
            "created_by": comparison.created_by,
            "created_ns": comparison.created_ns,
        }
        with self._database.transaction(scope) as tx:
            tx.insert(insert(comparisons), row)

    def comparison(self, scope: Scope, comparison_id: str) -> Comparison | None:
        """One comparison; None where the scope has none of that id."""
        statement = select(comparisons.c.result).where(comparisons.c.comparison_id == comparison_id)
        with self._database.read(scope) as tx:
            found = tx.execute(statement).scalar_one_or_none()
        return None if found is None else from_json(Comparison, found)

    def comparison_page(self, scope: Scope, *, limit: int, after: str | None) -> tuple[list[Comparison], str | None]:
        """Comparisons, newest first, and what the next page begins after."""
        statement = _newest_first(comparisons, comparisons.c.comparison_id, limit, after)
        with self._database.read(scope) as tx:
            found = [from_json(Comparison, row._mapping["result"]) for row in tx.execute(statement)]
        if len(found) <= limit:
            return found, None
        return found[:limit], _token(found[limit - 1].created_ns, found[limit - 1].comparison_id)

    def delete_scope(self, scope: Scope) -> None:
        """Remove every run and comparison of a tenant, or of one project of it."""
        with self._database.transaction(scope) as tx:
            tx.execute(delete(comparisons))
            tx.execute(delete(evaluation_calls))
            tx.execute(delete(evaluation_runs))


def _run_values(run: EvaluationRun) -> dict[str, Any]:
    """Columns of a run: the record holds all of it, the others are what queries look at."""
    return {
        "name": run.name,
        "status": str(run.status),
        "data_label": run.data.label,
        "rows_hash": run.data.rows_hash,
        "job_id": run.job_id,
        "error": run.error,
        "done_rows": run.done_rows,
        "record": to_json(run),
        "started_ns": run.started_ns,
        "ended_ns": run.ended_ns,
    }


def _run(row: Mapping[str, Any] | RowMapping) -> EvaluationRun:
    return from_json(EvaluationRun, row["record"])


def _newest_first(table: Table, key: Column[str], limit: int, after: str | None) -> Select[Any]:
    statement = select(table).order_by(table.c.created_ns.desc(), key.desc()).limit(limit + 1)
    created, _, last = (after or "").partition(".")
    if created.isdecimal():
        created_ns = int(created)
        older = or_(table.c.created_ns < created_ns, and_(table.c.created_ns == created_ns, key < last))
        statement = statement.where(older)
    return statement


def _token(created_ns: int, last: str) -> str:
    return f"{created_ns}.{last}"
