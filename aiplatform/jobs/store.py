"""Rows of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from aiplatform.core.scope import Scope
from aiplatform.jobs.model import Job, JobState
from aiplatform.jobs.ports import JobKey, Observation
from aiplatform.storage.database import Database
from aiplatform.storage.tables.jobs import jobs as table

_OPEN = (str(JobState.PENDING), str(JobState.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job with what only the platform needs to know of it."""

    job: Job
    scope: Scope
    key_id: str | None
    key_expires_ns: int | None


class JobStore:
    """Jobs of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, job: Job) -> bool:
        """Keep a new job; False where its id is taken in this tenant."""
        row = {
            "job_id": job.job_id,
            "name": job.name,
            "entrypoint": job.entrypoint,
            "state": str(job.state),
            "message": job.message,
            "metadata": dict(job.metadata),
            "submitted_by": job.submitted_by,
            "created_ns": job.created_ns,
        }
        try:
            with self._database.transaction(scope) as tx:
                tx.insert(insert(table), row)
        except IntegrityError:
            return False
        return True

    def get(self, scope: Scope, job_id: str) -> StoredJob | None:
        """One job; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            row = tx.execute(select(table).where(table.c.job_id == job_id)).one_or_none()
        return None if row is None else _stored(row._mapping)

    def page(self, scope: Scope, *, limit: int, before_ns: int | None) -> list[StoredJob]:
        """Jobs, the newest first."""
        statement: Select[Any] = select(table).order_by(table.c.created_ns.desc(), table.c.job_id).limit(limit)
        if before_ns is not None:
            statement = statement.where(table.c.created_ns < before_ns)
        with self._database.read(scope) as tx:
            return [_stored(row._mapping) for row in tx.execute(statement)]

    def open_jobs(self) -> list[StoredJob]:
        """Every tenant's jobs that have not ended, and ended ones whose key still lives: for the worker."""
        statement = select(table).where(table.c.state.in_(_OPEN) | table.c.key_id.is_not(None))
        with self._database.system("watch jobs", write=False) as tx:
            return [_stored(row._mapping) for row in tx.execute(statement)]

    def open_in(self, scope: Scope) -> list[StoredJob]:
        """Jobs of a tenant, or of one project of it, that have not ended, and ended ones whose key still lives."""
        statement = select(table).where(table.c.state.in_(_OPEN) | table.c.key_id.is_not(None))
        with self._database.read(scope) as tx:
            return [_stored(row._mapping) for row in tx.execute(statement)]

    def observe(self, scope: Scope, job_id: str, seen: Observation) -> None:
        """Keep what the cluster says. A job that has ended stays as it ended."""
        statement = (
            update(table)
            .where(table.c.job_id == job_id, table.c.state.in_(_OPEN))
            .values(state=str(seen.state), message=seen.message, started_ns=seen.started_ns, ended_ns=seen.ended_ns)
        )
        with self._database.transaction(scope) as tx:
            tx.execute(statement)

    def set_key(self, scope: Scope, job_id: str, key: JobKey | None) -> None:
        """Note which key the job holds."""
        values = {
            "key_id": None if key is None else key.key_id,
            "key_expires_ns": None if key is None else key.expires_ns,
        }
        with self._database.transaction(scope) as tx:
            tx.execute(update(table).where(table.c.job_id == job_id).values(**values))


def _stored(row: RowMapping) -> StoredJob:
    job = Job(
        job_id=row["job_id"],
        name=row["name"],
        entrypoint=row["entrypoint"],
        state=JobState(row["state"]),
        message=row["message"],
        metadata=row["metadata"],
        submitted_by=row["submitted_by"],
        created_ns=row["created_ns"],
        started_ns=row["started_ns"],
        ended_ns=row["ended_ns"],
    )
    return StoredJob(
        job=job,
        scope=Scope(tenant_id=row["tenant_id"], project_id=row["project_id"]),
        key_id=row["key_id"],
        key_expires_ns=row["key_expires_ns"],
    )
