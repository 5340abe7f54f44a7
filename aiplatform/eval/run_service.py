"""Evaluation runs in the control plane: recorded, started, followed, read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval import rows
from aiplatform.eval.model import EvaluationRun, NewRun, RowPage, RowResult, RunPage, RunStatus, RunUpdate
from aiplatform.eval.ports import EvaluationJobs, JudgeCalibrations, RowFiles
from aiplatform.eval.reading import RunReader
from aiplatform.eval.spec import EvalSpec, check_run_id, entrypoint, parse_spec
from aiplatform.eval.store import EvaluationStore
from aiplatform.jobs.model import JobSpec
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

MAX_PAGE: Final = 200
SILENT_AFTER_NS: Final = 90 * 1_000_000_000
"""A driver says something at least every five seconds."""

SWEEP_EVERY_S: Final = 15.0
LOST: Final = N_("Nothing was heard of the run's driver for 90 seconds.")


class RunService:
    """Evaluation runs of a project."""

    def __init__(
        self,
        store: EvaluationStore,
        files: RowFiles,
        jobs: EvaluationJobs | None = None,
        *,
        clock: Clock | None = None,
        calibrations: JudgeCalibrations | None = None,
    ) -> None:
        """Evaluation over its store, its files and what starts jobs.

        Args:
            calibrations: How well judges agree with people, for gates that ask; without it no gate can tell.
        """
        self._calibrations = calibrations
        self._store = store
        self._reader = RunReader(files)
        self._jobs = jobs
        self._clock = clock or SystemClock()

    def create(self, caller: Caller, new: NewRun, *, start: bool = False) -> EvaluationRun:
        """Record a new run, and with `start` submit it as a job.

        The same run id again answers with the run that it made, and starts the job where that had not come about.

        Raises:
            InvalidError: The id or the specification is wrong.
            ConflictError: The id is another run's.
            PermissionDeniedError: The caller may not, or its tenant's code may not run here.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        spec = parse_spec(new.spec) if start else None
        if spec is not None:
            self._jobs_of(caller)
        run_id = check_run_id(new.run_id or new_id("eval"))
        run = self._fresh(caller, run_id, new, status=RunStatus.QUEUED if start else RunStatus.RUNNING)
        if not self._store.add(caller.scope, run):
            known = self._store.get(caller.scope, run_id)
            if known is None or known.name != run.name:
                raise ConflictError(
                    N_("The id {run_id!r} is another evaluation run's."),
                    hint=N_("Choose another id, or none: one is made then."),
                    reason="evaluation.id_taken",
                    run_id=run_id,
                )
            run = known
        if spec is not None and not run.job_id and not run.status.is_final:
            run = self._start(caller, run, spec)
        return run

    def update(self, caller: Caller, run_id: str, change: RunUpdate) -> EvaluationRun:
        """Progress or result of a run, from its driver. A run that has ended stays as it ended.

        Raises:
            NotFoundError: The project has none of that id.
            InvalidError: A file of rows lies outside the run's own folder.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        for file in change.files or ():
            if not file.path.startswith(f"evaluations/{run_id}/") or ".." in file.path.split("/"):
                raise InvalidError(
                    N_("Rows of run {run_id!r} cannot lie at {path!r}."),
                    reason="evaluation.path",
                    run_id=run_id,
                    path=file.path,
                )
        now_ns = self._clock.now_ns()

        def updated(run: EvaluationRun) -> EvaluationRun:
            if change.attempt is not None and change.attempt != run.attempt:
                raise ConflictError(
                    N_("Evaluation run {run_id!r} was resumed elsewhere: this is attempt {attempt} of {latest}."),
                    reason="evaluation.superseded",
                    run_id=run_id,
                    attempt=change.attempt,
                    latest=run.attempt,
                )
            return _updated(run, change, now_ns)

        # A driver that was thought dead may only have been slow, or the platform away.
        return self._changed(caller, run_id, updated, also={RunStatus.INTERRUPTED})

    def resume(
        self, caller: Caller, run_id: str, *, start: bool = True, caps: Mapping[str, Any] | None = None
    ) -> EvaluationRun:
        """Let a run go on that ended without its result; one that is completed answers itself.

        Args:
            caller: Who asks.
            run_id: The run.
            start: Whether a job is submitted for it; else the caller's own process is its driver.
            caps: New caps, as in the specification.

        Raises:
            NotFoundError: The project has none of that id.
            ConflictError: It is running.
            InvalidError: A job shall be started, and the run was recorded without what it is made of.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        run = self.get(caller, run_id)
        if run.status is RunStatus.COMPLETED:
            return run
        run.check_ended()
        document = None if run.spec is None else {**run.spec, **(caps or {})}
        spec = parse_spec(document) if start else None
        if spec is not None:
            self._jobs_of(caller)
        now_ns = self._clock.now_ns()

        def reopened(ended: EvaluationRun) -> EvaluationRun:
            status = RunStatus.QUEUED if start else RunStatus.RUNNING
            return replace(
                ended,
                status=status,
                attempt=run.attempt + 1,
                spec=document,
                error="",
                job_id="",
                ended_ns=None,
                started_ns=ended.started_ns or (None if start else now_ns),
            )

        run = self._changed(caller, run_id, reopened, also={each for each in RunStatus if each.is_resumable})
        return self._start(caller, run, spec) if spec is not None and not run.job_id else run

    def get(self, caller: Caller, run_id: str) -> EvaluationRun:
        """The run of that id, failed where its job has ended without a word.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        run = self._required(caller, run_id)
        if run.status.is_final or not run.job_id or self._jobs is None or not caller.may(Permission.JOBS_READ):
            return run
        try:
            job = self._jobs.get(caller, run.job_id)
        except NotFoundError:
            return run  # its driver named a job that is not the project's: nothing is known of that
        if not job.state.is_final:
            return run
        reason = job.message or str(job.state)
        return self._changed(caller, run_id, lambda open_run: self._ended(open_run, RunStatus.FAILED, reason))

    def list(
        self,
        caller: Caller,
        *,
        limit: int = 50,
        after: str | None = None,
        data: str | None = None,
        status: RunStatus | None = None,
    ) -> RunPage:
        """Runs of the project, newest first; `data` is a label such as `python-faq@3`."""
        caller.require(Permission.EVALUATIONS_READ)
        wanted = str(status) if status is not None else None
        items, following = self._store.page(
            caller.scope, limit=page_limit(limit), after=after, data=data, status=wanted
        )
        return RunPage(items=tuple(items), next=following)

    def cancel(self, caller: Caller, run_id: str) -> EvaluationRun:
        """Stop a run; one that has ended stays as it is. Its driver learns of it with its next progress.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        before = self._required(caller, run_id)
        run = self._changed(caller, run_id, lambda open_run: self._ended(open_run, RunStatus.CANCELLED, ""))
        if not before.status.is_final and run.job_id and self._jobs is not None:
            self._jobs.cancel(caller, run.job_id)
        return run

    def rows(
        self,
        caller: Caller,
        run_id: str,
        *,
        limit: int = 50,
        after: str | None = None,
        in_slice: str | None = None,
        metric: str | None = None,
        state: str | None = None,
    ) -> RowPage:
        """Row results in the order of their ids.

        Args:
            in_slice: `column=value`.
            metric: With `state`, keeps rows whose score of this scorer is in that state.

        Raises:
            NotFoundError: The project has no such run, or its rows are gone.
        """
        caller.require(Permission.EVALUATIONS_READ)
        run = self._required(caller, run_id)
        table = self._reader.table(caller.scope, run)
        if table is None:
            return RowPage(items=(), total=0)
        known = run.metric(metric) if metric else None
        scorer = known.scorer if known else metric
        found = rows.matching(table, in_slice=parse_slice(in_slice), metric=scorer, state=state)
        start = page_offset(after)
        items = rows.to_results(found.slice(start, page_limit(limit)))
        return RowPage(items=tuple(items), total=found.num_rows, next=next_page(start + len(items), found.num_rows))

    def weakest_rows(self, caller: Caller, run_id: str, *, limit: int = 10) -> tuple[RowResult, ...]:
        """Rows whose primary score failed, then those with the worst one; none where it has no score a row.

        Raises:
            NotFoundError: The project has no such run, or its rows are gone.
        """
        caller.require(Permission.EVALUATIONS_READ)
        run = self._required(caller, run_id)
        metric, table = run.primary_metric, self._reader.table(caller.scope, run)
        if metric is None or table is None or metric.measure == "auc":
            return ()
        found = rows.weakest(table, metric.scorer, page_limit(limit), lower_is_better=metric.lower_is_better)
        return tuple(rows.to_results(found))

    def sweep(self) -> int:
        """End the runs whose driver went silent: for the worker. Returns how many."""
        now_ns = self._clock.now_ns()
        silent = self._store.silent_since(now_ns - SILENT_AFTER_NS)
        for scope, run_id in silent:
            self._store.change(scope, run_id, now_ns, lambda run: self._ended(run, RunStatus.INTERRUPTED, LOST))
        return len(silent)

    def periodic(self) -> Sequence[tuple[str, float, Callable[[], Any]]]:
        """The worker's share: (name, seconds between two runs, what to do)."""
        return [("evaluations.sweep", SWEEP_EVERY_S, self.sweep)]

    def _start(self, caller: Caller, run: EvaluationRun, spec: EvalSpec) -> EvaluationRun:
        job = self._jobs_of(caller).submit(
            caller,
            JobSpec(
                entrypoint=entrypoint(run.run_id),
                name=f"evaluation {run.name}",
                submission_id=run.run_id if run.attempt == 1 else f"{run.run_id}.{run.attempt}",
                working_dir=spec.working_dir,
                metadata={"aiplatform.evaluation": run.run_id},
            ),
        )
        return self._changed(caller, run.run_id, lambda open_run: replace(open_run, job_id=job.job_id))

    def _jobs_of(self, caller: Caller) -> EvaluationJobs:
        """What starts jobs for this caller; asked before anything is written."""
        if self._jobs is None:
            raise ConflictError(
                N_("No jobs can be started here."),
                hint=N_("Run `aiplatform evaluations run` or `python -m aiplatform.eval` where Ray is."),
                reason="evaluation.no_jobs",
            )
        self._jobs.require_cluster(caller)
        return self._jobs

    def _changed(
        self,
        caller: Caller,
        run_id: str,
        changed: Callable[[EvaluationRun], EvaluationRun],
        *,
        also: Collection[RunStatus] = (),
    ) -> EvaluationRun:
        run = self._store.change(caller.scope, run_id, self._clock.now_ns(), changed, also=also)
        return run if run is not None else self._required(caller, run_id)

    def _ended(self, run: EvaluationRun, status: RunStatus, error: str) -> EvaluationRun:
        return replace(run, status=status, error=error, ended_ns=self._clock.now_ns())

    def _fresh(self, caller: Caller, run_id: str, new: NewRun, *, status: RunStatus) -> EvaluationRun:
        now_ns = self._clock.now_ns()
        given = {field.name: getattr(new, field.name) for field in fields(new) if field.name != "run_id"}
        return EvaluationRun(
            run_id=run_id,
            project_id=caller.project_id,
            status=status,
            created_by=caller.principal,
            created_ns=now_ns,
            started_ns=now_ns if status is RunStatus.RUNNING else None,
            **given,
        )

    def _required(self, caller: Caller, run_id: str) -> EvaluationRun:
        run = self._store.get(caller.scope, run_id)
        if run is None:
            raise NotFoundError(
                N_("There is no evaluation run {run_id!r}."),
                hint=N_("`aiplatform evaluations list` shows those of the project."),
                reason="evaluation.unknown",
                run_id=run_id,
            )
        return run


def _updated(run: EvaluationRun, change: RunUpdate, now_ns: int) -> EvaluationRun:
    given = {field.name: getattr(change, field.name) for field in fields(change) if field.name != "attempt"}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if change.done_rows is not None:
        values["done_rows"] = max(run.done_rows, change.done_rows)
    if run.status is RunStatus.INTERRUPTED:
        values = {"status": RunStatus.RUNNING, "error": "", "ended_ns": None, **values}
    if change.status is not None and change.status.is_final:
        values["ended_ns"] = now_ns
    if change.status is not None and run.started_ns is None:
        values["started_ns"] = now_ns
    return replace(run, **values)


def parse_slice(text: str | None) -> tuple[str, str] | None:
    """Column and value of `column=value`; None of nothing.

    Raises:
        InvalidError: It is not written so.
    """
    if text is None:
        return None
    column, equals, value = text.partition("=")
    if not equals:
        raise InvalidError(
            N_("{text!r} is no slice."), hint=N_("Write `column=value`."), reason="evaluation.slice", text=text
        )
    return column, value


def page_limit(limit: int) -> int:
    """A page's size, within what one answer may hold."""
    return max(1, min(limit, MAX_PAGE))


def page_offset(after: str | None) -> int:
    """Where a page begins."""
    return int(after) if after is not None and after.isdecimal() else 0


def next_page(end: int, total: int) -> str | None:
    """What the next page begins after; None at the end."""
    return str(end) if end < total else None
