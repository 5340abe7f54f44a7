"""Submitting, watching and stopping the jobs of a tenant."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, ConflictError, NotFoundError, PermissionDeniedError
from aiplatform.core.hooks import hookimpl
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.jobs.model import Job, JobSpec, JobState, Resources, check_submission_id
from aiplatform.jobs.policy import check_fits, job_environment
from aiplatform.jobs.ports import JobKeys, JobRunner, Observation, SecretPlace, Submission
from aiplatform.jobs.store import JobStore, StoredJob
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

logger = logging.getLogger(__name__)

RENEW_BEFORE_NS: Final = 3 * 3600 * 1_000_000_000
LOST_AFTER_NS: Final = 120 * 1_000_000_000
WATCH_EVERY_S: Final = 15.0
MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Some jobs, and what the next page begins with."""

    jobs: tuple[Job, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCluster:
    """The cluster that jobs run on, and whose it is."""

    tenant_id: str
    runner: JobRunner
    url: str
    """Address of the platform as jobs see it."""


class Jobs:
    """Jobs of tenants on their Ray cluster."""

    def __init__(
        self,
        store: JobStore,
        cluster: JobCluster,
        *,
        keys: JobKeys,
        secrets: SecretPlace,
        files: ArtifactStore,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._keys = keys
        self._secrets = secrets
        self._files = files
        self._clock = clock or SystemClock()

    def submit(self, caller: Caller, spec: JobSpec, *, traceparent: str | None = None) -> Job:
        """Start a job; the same submission id again answers with the job that it started.

        Raises:
            PermissionDeniedError: The caller may not, or its tenant has no cluster of its own.
            InvalidError: The id cannot be, or the whole cluster has less than the job asks for.
            ConflictError: The id belongs to a job of another project, or of another command.
            NotFoundError: There is no such working directory among the artifacts.
        """
        caller.require(Permission.JOBS_WRITE)
        self.require_cluster(caller)
        job_id = check_submission_id(spec.submission_id or new_id("job"))
        check_fits(spec.resources, self.capacity())
        known = self._store.get(caller.scope, job_id)
        if known is None:
            job = Job(
                job_id=job_id,
                name=spec.name,
                entrypoint=spec.entrypoint,
                state=JobState.PENDING,
                message="",
                metadata=spec.metadata,
                submitted_by=caller.principal,
                created_ns=self._clock.now_ns(),
                started_ns=None,
                ended_ns=None,
            )
            self._store.add(caller.scope, job)
            known = self._store.get(caller.scope, job_id)
        if known is None or known.job.entrypoint != spec.entrypoint:
            raise ConflictError(
                N_("The submission id {job_id!r} is another job's."),
                hint=N_("Choose another id, or none: one is made then."),
                reason="jobs.id_taken",
                job_id=job_id,
            )
        if known.job.state is JobState.PENDING and self._cluster.runner.observe(job_id) is None:
            self._start(caller, known, spec, traceparent)
        return self.get(caller, job_id)

    def list(self, caller: Caller, *, limit: int = 50, token: str | None = None) -> JobPage:
        """Jobs of the caller's project, the newest first, as the cluster sees them now."""
        caller.require(Permission.JOBS_READ)
        limit = max(1, min(limit, MAX_PAGE))
        before_ns = int(token) if token is not None and token.isdecimal() else None
        stored = self._store.page(caller.scope, limit=limit + 1, before_ns=before_ns)
        page = [self._seen(one).job for one in stored[:limit]]
        following = str(page[-1].created_ns) if len(stored) > limit else None
        return JobPage(jobs=tuple(page), next_token=following)

    def get(self, caller: Caller, job_id: str) -> Job:
        """One job, as the cluster sees it now.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.JOBS_READ)
        return self._seen(self._required(caller, job_id)).job

    def logs(self, caller: Caller, job_id: str, *, follow: bool = False) -> Iterator[str]:
        """What a job printed, in pieces; with `follow` until it ends.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.JOBS_READ)
        return self._cluster.runner.logs(self._required(caller, job_id).job.job_id, follow=follow)

    def cancel(self, caller: Caller, job_id: str) -> Job:
        """Stop a job; nothing happens where it has ended.

        Raises:
            NotFoundError: The caller's project has none of that id.
        """
        caller.require(Permission.JOBS_WRITE)
        stored = self._required(caller, job_id)
        if not stored.job.state.is_final:
            self._cluster.runner.stop(job_id)
        return self.get(caller, job_id)

    def capacity(self) -> Resources:
        """All that the cluster has."""
        return self._cluster.runner.capacity()

    def require_cluster(self, caller: Caller) -> None:
        """Nothing, where the caller's tenant has a cluster that its code may run on.

        Raises:
            PermissionDeniedError: It has none: one tenant's code never runs beside another's.
        """
        if caller.tenant_id != self._cluster.tenant_id:
            raise PermissionDeniedError(
                N_("Code of tenant {tenant_id!r} cannot run here until the tenant has a cluster of its own."),
                hint=N_("Traces, scores, data sets and evaluations of stored answers work without one."),
                reason="jobs.no_cluster",
                tenant_id=caller.tenant_id,
            )

    def observe(self, caller: Caller, job_id: str) -> Observation | None:
        """What the cluster says about any job of the caller's tenant, those of `ray job submit` among them.

        None where the cluster does not know it, or is not the tenant's, or the job is another project's.
        """
        if caller.tenant_id != self._cluster.tenant_id or self._is_elsewhere(caller, job_id):
            return None
        return self._cluster.runner.observe(job_id)

    def stop_any(self, caller: Caller, job_id: str) -> None:
        """Stop any job of the caller's cluster, those that `ray job submit` started among them.

        Raises:
            PermissionDeniedError: The caller may not, or its tenant has no cluster of its own.
            NotFoundError: It is a job of another project.
        """
        caller.require(Permission.JOBS_WRITE)
        self.require_cluster(caller)
        if self._is_elsewhere(caller, job_id):
            self._required(caller, job_id)
        self._cluster.runner.stop(job_id)

    def watch(self) -> None:
        """Bring every open job up to date, renew the keys of living ones and take back the others': for the worker."""
        for stored in self._store.open_jobs():
            try:
                self._watch_one(stored)
            except AIPlatformError:
                logger.warning("a job could not be watched", exc_info=True, extra={"job_id": stored.job.job_id})

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Stop the jobs of a tenant, or of one project of it, and take their keys back."""
        for stored in self._store.open_in(scope):
            job_id = stored.job.job_id
            if not stored.job.state.is_final:
                self._cluster.runner.stop(job_id)
            if stored.key_id is not None:
                self._keys.revoke(stored.scope, stored.key_id)
            self._secrets.remove(job_id)

    def periodic(self) -> Sequence[tuple[str, float, Callable[[], None]]]:
        """The worker's share: (name, seconds between two runs, what to do)."""
        return [("jobs.watch", WATCH_EVERY_S, self.watch)]

    def _start(self, caller: Caller, stored: StoredJob, spec: JobSpec, traceparent: str | None) -> None:
        job_id = stored.job.job_id
        if stored.key_id is not None:
            self._keys.revoke(stored.scope, stored.key_id)  # of an attempt that did not get this far
        uri = None
        if spec.working_dir is not None:
            content = self._files.read(caller.scope, spec.working_dir)
            uri = self._cluster.runner.upload(f"aiplatform-{job_id}.zip", content)
        key = self._keys.make(caller, job_id=job_id)
        self._store.set_key(stored.scope, job_id, key)
        key_file = self._secrets.put(job_id, key.secret)
        env = job_environment(
            spec.env,
            job_id=job_id,
            url=self._cluster.url,
            project_id=caller.project_id,
            key_file=str(key_file),
            traceparent=traceparent,
        )
        self._cluster.runner.submit(
            Submission(
                job_id=job_id,
                entrypoint=spec.entrypoint,
                env=env,
                working_dir_uri=uri,
                resources=spec.resources,
                metadata={**spec.metadata, "aiplatform.project": caller.project_id, "aiplatform.name": spec.name},
            )
        )

    def _is_elsewhere(self, caller: Caller, job_id: str) -> bool:
        stored = self._store.get(Scope(tenant_id=caller.tenant_id), job_id)
        return stored is not None and stored.scope.project_id != caller.project_id

    def _required(self, caller: Caller, job_id: str) -> StoredJob:
        stored = self._store.get(caller.scope, job_id)
        if stored is None:
            raise NotFoundError(
                N_("There is no job {job_id!r}."),
                hint=N_("`aiplatform jobs list` shows every job of the project."),
                reason="jobs.unknown",
                job_id=job_id,
            )
        return stored

    def _seen(self, stored: StoredJob) -> StoredJob:
        """The job with what the cluster says now; as it was last seen where the cluster does not answer."""
        job = stored.job
        if job.state.is_final:
            return stored
        try:
            seen = self._cluster.runner.observe(job.job_id)
        except AIPlatformError:
            logger.warning("the cluster does not answer", exc_info=True, extra={"job_id": job.job_id})
            return stored
        if seen is None:
            if self._clock.now_ns() - job.created_ns < LOST_AFTER_NS:
                return stored  # it is being handed over
            seen = Observation(
                state=JobState.FAILED,
                message=N_("The cluster does not know this job: it was started anew since."),
                started_ns=job.started_ns,
                ended_ns=self._clock.now_ns(),
            )
        if (seen.state, seen.message) != (job.state, job.message):
            self._store.observe(stored.scope, job.job_id, seen)
        new = replace(job, state=seen.state, message=seen.message, started_ns=seen.started_ns, ended_ns=seen.ended_ns)
        return replace(stored, job=new)

    def _watch_one(self, stored: StoredJob) -> None:
        stored = self._seen(stored)
        job_id = stored.job.job_id
        if stored.job.state.is_final:
            if stored.key_id is not None:
                self._keys.revoke(stored.scope, stored.key_id)
                self._store.set_key(stored.scope, job_id, None)
            self._secrets.remove(job_id)
        elif stored.key_id is not None and (stored.key_expires_ns or 0) - self._clock.now_ns() < RENEW_BEFORE_NS:
            key = self._keys.renew(stored.scope, stored.key_id)
            self._secrets.put(job_id, key.secret)
            self._store.set_key(stored.scope, job_id, key)
