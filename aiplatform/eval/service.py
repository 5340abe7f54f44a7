"""Use cases of evaluation in the control plane: runs, their rows, comparisons and gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval import comparing, gates, rows
from aiplatform.eval.gate_language import parse_gate
from aiplatform.eval.model import (
    Change,
    ChangePage,
    CompareOptions,
    Comparison,
    ComparisonPage,
    EvaluationRun,
    GateResult,
    MetricValue,
    NewRun,
    RowChange,
    RowPage,
    RowResult,
    RowSide,
    RunPage,
    RunStatus,
    RunUpdate,
)
from aiplatform.eval.ports import EvaluationJobs, RowFiles
from aiplatform.eval.reading import RunReader
from aiplatform.eval.spec import EvalSpec, check_run_id, entrypoint, parse_spec
from aiplatform.eval.store import EvaluationStore
from aiplatform.jobs.model import JobSpec
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

MAX_PAGE: Final = 200
SILENT_AFTER_NS: Final = 15 * 60 * 1_000_000_000
SWEEP_EVERY_S: Final = 60.0
LOST: Final = N_("Nothing was heard of the run's driver for 15 minutes.")


class EvaluationService:
    """Evaluation runs of a project, and what their comparison establishes."""

    def __init__(
        self,
        store: EvaluationStore,
        files: RowFiles,
        jobs: EvaluationJobs | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
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
        return self._changed(caller, run_id, lambda run: _updated(run, change, now_ns))

    def get(self, caller: Caller, run_id: str) -> EvaluationRun:
        """The run of that id, failed where its job has ended without a word.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        run = self._required(caller, run_id)
        if run.status.is_final or not run.job_id or self._jobs is None or not caller.may(Permission.JOBS_READ):
            return run
        job = self._jobs.get(caller, run.job_id)
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
        items, following = self._store.page(caller.scope, limit=_limit(limit), after=after, data=data, status=wanted)
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
        found = rows.matching(table, in_slice=_slice(in_slice), metric=scorer, state=state)
        start = _offset(after)
        items = rows.to_results(found.slice(start, _limit(limit)))
        return RowPage(items=tuple(items), total=found.num_rows, next=_next(start + len(items), found.num_rows))

    def check_gate(self, caller: Caller, run_id: str, gate: str, *, baseline: str | None = None) -> GateResult:
        """One gate on one run, compared with a baseline where one is given. Nothing is kept.

        Raises:
            InvalidError: The gate cannot be understood.
            NotFoundError: The project has no such run.
            ConflictError: The runs are not comparable.
        """
        caller.require(Permission.EVALUATIONS_READ)
        parsed = parse_gate(gate)
        run = self._required(caller, run_id)
        compared = parsed.compared_metrics
        if baseline is None or not compared:
            return gates.check(parsed, gates.facts_of(run), run_id=run_id, name=run.name)
        options = CompareOptions(on=compared[0], metrics=compared[1:], gate=gate)
        return self._compare(caller, baseline, [run_id], options).gates[0]

    def compare(
        self, caller: Caller, baseline: str, candidates: Sequence[str], options: CompareOptions, *, name: str = ""
    ) -> Comparison:
        """Compare runs, and keep the result.

        Raises:
            InvalidError: The gate cannot be understood, or there is nothing to compare.
            NotFoundError: The project has no such run, or the baseline no such metric.
            ConflictError: The runs are not comparable and `force` is off.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        comparison = self._compare(caller, baseline, candidates, options, name=name)
        self._store.add_comparison(caller.scope, comparison)
        return comparison

    def gate_comparison(self, caller: Caller, comparison_id: str, gate: str) -> tuple[GateResult, ...]:
        """Another gate on every candidate of a comparison. Nothing is kept.

        Raises:
            InvalidError: The gate cannot be understood.
            NotFoundError: The project has no such comparison.
        """
        caller.require(Permission.EVALUATIONS_READ)
        known = self.comparison(caller, comparison_id)
        candidates = [version.run_id for version in known.candidates]
        return self._compare(caller, known.baseline.run_id, candidates, replace(known.options, gate=gate)).gates

    def comparison(self, caller: Caller, comparison_id: str) -> Comparison:
        """The comparison of that id.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        found = self._store.comparison(caller.scope, comparison_id)
        if found is None:
            raise NotFoundError(
                N_("There is no comparison {comparison_id!r}."),
                hint=N_("`aiplatform evaluations comparisons` lists those of the project."),
                reason="comparison.unknown",
                comparison_id=comparison_id,
            )
        return found

    def comparisons(self, caller: Caller, *, limit: int = 50, after: str | None = None) -> ComparisonPage:
        """Comparisons of the project, newest first."""
        caller.require(Permission.EVALUATIONS_READ)
        items, following = self._store.comparison_page(caller.scope, limit=_limit(limit), after=after)
        return ComparisonPage(items=tuple(items), next=following)

    def comparison_rows(
        self,
        caller: Caller,
        comparison_id: str,
        *,
        candidate: str | None = None,
        metric: str | None = None,
        change: Change | None = None,
        in_slice: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> ChangePage:
        """Compared rows, regressions first; by default of the first candidate on the primary metric.

        Raises:
            NotFoundError: There is no such comparison, candidate or metric, or the rows are gone.
        """
        known = self.comparison(caller, comparison_id)
        chosen = candidate or known.candidates[0].run_id
        if chosen not in {version.run_id for version in known.candidates}:
            raise NotFoundError(
                N_("Run {run_id!r} is no candidate of this comparison."), reason="comparison.candidate", run_id=chosen
            )
        baseline, other = self._required(caller, known.baseline.run_id), self._required(caller, chosen)
        value = baseline.metric(metric or known.primary.name)
        if value is None:
            raise NotFoundError(
                N_("Evaluation run {run_id!r} has no metric {name!r}."),
                reason="comparison.unknown_metric",
                run_id=baseline.run_id,
                name=metric or known.primary.name,
            )
        left, right = (self._reader.data(caller.scope, run) for run in (baseline, other))
        found = comparing.row_gains(left, right, value)
        kept = rows.ids_in_slice(left.rows, _slice(in_slice)) if in_slice else None
        found = [row for row in found if kept is None or row[0] in kept]
        counts = comparing.count_changes(chosen, [row_change for _, row_change, _ in found])
        asked = [(row_id, row_change) for row_id, row_change, _ in found if change is None or row_change is change]
        start = _offset(after)
        page = asked[start : start + _limit(limit)]
        items = self._side_by_side(caller, baseline, other, page, value)
        return ChangePage(items=items, counts=counts, next=_next(start + len(page), len(asked)))

    def sweep(self) -> int:
        """End the runs whose driver went silent: for the worker. Returns how many."""
        now_ns = self._clock.now_ns()
        silent = self._store.silent_since(now_ns - SILENT_AFTER_NS)
        for scope, run_id in silent:
            self._store.change(scope, run_id, now_ns, lambda run: self._ended(run, RunStatus.FAILED, LOST))
        return len(silent)

    def periodic(self) -> Sequence[tuple[str, float, Callable[[], Any]]]:
        """The worker's share: (name, seconds between two runs, what to do)."""
        return [("evaluations.sweep", SWEEP_EVERY_S, self.sweep)]

    def _compare(
        self, caller: Caller, baseline: str, candidates: Sequence[str], options: CompareOptions, *, name: str = ""
    ) -> Comparison:
        runs = [self._required(caller, run_id) for run_id in (baseline, *candidates)]
        comparing.check_comparable(runs[0], runs[1:], options)
        data = [self._reader.data(caller.scope, run) for run in runs]
        return comparing.compare(
            data[0],
            data[1:],
            options,
            comparison_id=new_id("cmp", self._clock.now_ns()),
            name=name,
            created_by=caller.principal,
            created_ns=self._clock.now_ns(),
        )

    def _side_by_side(
        self,
        caller: Caller,
        baseline: EvaluationRun,
        candidate: EvaluationRun,
        page: Sequence[tuple[str, Change]],
        metric: MetricValue,
    ) -> tuple[RowChange, ...]:
        ids = [row_id for row_id, _ in page]
        tables = (self._reader.table(caller.scope, run) for run in (baseline, candidate))
        left, right = ({} if table is None else rows.by_ids(table, ids) for table in tables)
        return tuple(
            _row_change(row_id, change, left.get(row_id), right.get(row_id), metric) for row_id, change in page
        )

    def _start(self, caller: Caller, run: EvaluationRun, spec: EvalSpec) -> EvaluationRun:
        if self._jobs is None:
            raise ConflictError(
                N_("No jobs can be started here."),
                hint=N_("Run `aiplatform evaluations run` or `python -m aiplatform.eval` where Ray is."),
                reason="evaluation.no_jobs",
            )
        job = self._jobs.submit(
            caller,
            JobSpec(
                entrypoint=entrypoint(run.run_id),
                name=f"evaluation {run.name}",
                submission_id=run.run_id,
                working_dir=spec.working_dir,
                metadata={"aiplatform.evaluation": run.run_id},
            ),
        )
        return self._changed(caller, run.run_id, lambda open_run: replace(open_run, job_id=job.job_id))

    def _changed(self, caller: Caller, run_id: str, changed: Callable[[EvaluationRun], EvaluationRun]) -> EvaluationRun:
        run = self._store.change(caller.scope, run_id, self._clock.now_ns(), changed)
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
    given = {field.name: getattr(change, field.name) for field in fields(change)}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if change.done_rows is not None:
        values["done_rows"] = max(run.done_rows, change.done_rows)
    if change.status is not None and change.status.is_final:
        values["ended_ns"] = now_ns
    if change.status is not None and run.started_ns is None:
        values["started_ns"] = now_ns
    return replace(run, **values)


def _row_change(
    row_id: str, change: Change, left: RowResult | None, right: RowResult | None, metric: MetricValue
) -> RowChange:
    either = left or right
    return RowChange(
        row_id=row_id,
        change=change,
        input=either.input if either else None,
        expected=either.expected if either else None,
        slices=either.slices if either else {},
        baseline=_side(left, metric),
        candidate=_side(right, metric),
    )


def _side(row: RowResult | None, metric: MetricValue) -> RowSide:
    if row is None:
        return RowSide()
    score = next((score for score in row.scores if score.name == metric.scorer), None)
    return RowSide(
        output=row.output,
        state=score.state if score else None,
        value=score.value if score else None,
        reason=score.reason if score else "",
        error=row.error,
        latency_ms=row.latency_ms,
        trace_id=row.trace_id,
    )


def _slice(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    column, equals, value = text.partition("=")
    if not equals:
        raise InvalidError(
            N_("{text!r} is no slice."), hint=N_("Write `column=value`."), reason="evaluation.slice", text=text
        )
    return column, value


def _limit(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))


def _offset(after: str | None) -> int:
    return int(after) if after is not None and after.isdecimal() else 0


def _next(end: int, total: int) -> str | None:
    return str(end) if end < total else None
