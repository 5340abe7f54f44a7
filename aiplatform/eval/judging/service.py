"""Use cases of judges in the control plane: which there are, and how they compare with people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.eval.judging.calibrating import calibrate
from aiplatform.eval.judging.model import Calibration, CalibrationPage, JudgeSummary
from aiplatform.eval.judging.store import CalibrationStore
from aiplatform.eval.judging.verdicts import by_answer, identity_of, is_judge, scorer_in, verdicts_of
from aiplatform.eval.model import EvaluationRun, RowResult, RunStatus, ScorerRef
from aiplatform.eval.ports import RowFiles
from aiplatform.eval.reading import RunReader
from aiplatform.eval.rows import to_results
from aiplatform.eval.run_service import MAX_PAGE, RunService
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

MAX_LABELS: Final = 100_000
GIVEN: Final = "given"


class PeoplesLabels(Protocol):
    """What people said in a review queue; `aiplatform.eval.reviewing` knows."""

    def labels_by_answer(self, caller: Caller, queue_id: str) -> Mapping[str, Sequence[float | str]]:
        """What people said, by row and answer as `by_answer` writes them.

        Raises:
            NotFoundError: The project has no such queue.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOrder:
    """What shall be calibrated."""

    run_id: str
    """The run whose scores are the judge's verdicts."""

    scorer: str = ""
    """By default the run's only judge."""

    people: Mapping[str, Any] = field(default_factory=dict)
    """What people say, by row id: a value, or a list of values, one a person."""

    queue_id: str = ""
    """A review queue that people judged the run's answers in."""

    repeats: tuple[str, ...] = ()
    """Further runs of the same judge on the same answers, for its flip rate."""

    threshold: float | None = None
    seed: int = 0


class JudgeService:
    """Judges of a project.

    Args:
        store: Calibrations.
        runs: Evaluation runs.
        files: Their rows.
        labels: What people said in review queues.
        clock: What time it is.
    """

    def __init__(
        self,
        store: CalibrationStore,
        runs: RunService,
        files: RowFiles,
        labels: PeoplesLabels | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._runs = runs
        self._reader = RunReader(files)
        self._labels = labels
        self._clock = clock or SystemClock()

    def judges(self, caller: Caller) -> tuple[JudgeSummary, ...]:
        """The judges of the project's latest runs, and those that were calibrated; the latest used first."""
        caller.require(Permission.EVALUATIONS_READ)
        found: dict[str, JudgeSummary] = {}
        for run in self._runs.list(caller, limit=MAX_PAGE).items:
            for ref in run.scorers:
                if is_judge(ref):
                    known = found.get(identity_of(ref)) or _summary(ref, run)
                    found[identity_of(ref)] = replace(known, runs=known.runs + 1)
        for identity, count in self._store.counts(caller.scope).items():
            latest = self._store.latest(caller.scope, identity)
            if latest is not None:
                known = found.get(identity) or JudgeSummary(
                    identity=identity, scorer=latest.scorer, judge=latest.judge, last_used_ns=latest.created_ns
                )
                found[identity] = replace(known, calibrations=count, latest=latest)
        return tuple(sorted(found.values(), key=lambda each: (-each.last_used_ns, each.identity)))

    def judge(self, caller: Caller, identity: str) -> JudgeSummary:
        """One judge, by its identity or the beginning of it.

        Raises:
            NotFoundError: The project has none, or several that begin so.
        """
        found = [each for each in self.judges(caller) if each.identity.startswith(identity)] if identity else []
        if len(found) != 1:
            raise NotFoundError(
                N_("There is no judge {identity!r}."),
                hint=N_("`aiplatform judges list` shows those of the project."),
                reason="judge.unknown",
                identity=identity,
            )
        return found[0]

    def calibrate(self, caller: Caller, order: CalibrationOrder) -> Calibration:
        """Compare a judge with people, and keep what came of it.

        Raises:
            NotFoundError: The project has no such run or queue.
            InvalidError: People and judge have nothing in common, or it is not clear which judge is meant.
            ConflictError: A run has not completed, or a repeat is another judge's.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        run = self._completed(caller, order.run_id)
        ref = scorer_in(run, order.scorer)
        rows = self._rows(caller.scope, run)
        repeats = [self._repeated(caller, run_id, ref) for run_id in order.repeats]
        found = calibrate(
            identity_of(ref),
            ref.name,
            verdicts_of(rows, ref.name, repeats),
            self._people(caller, order, rows),
            threshold=order.threshold,
            seed=order.seed,
        )
        kept = replace(
            found,
            calibration_id=new_id("cal", self._clock.now_ns()),
            project_id=caller.project_id,
            judge=dict(ref.parameters),
            run_id=run.run_id,
            data=run.data,
            source=order.queue_id or GIVEN,
            created_by=caller.owner or caller.principal,
            created_ns=self._clock.now_ns(),
        )
        self._store.add(caller.scope, kept)
        return kept

    def calibration(self, caller: Caller, calibration_id: str) -> Calibration:
        """The calibration of that id.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        found = self._store.get(caller.scope, calibration_id)
        if found is None:
            raise NotFoundError(
                N_("There is no calibration {calibration_id!r}."),
                hint=N_("`aiplatform judges list` shows what was calibrated."),
                reason="judge.no_calibration",
                calibration_id=calibration_id,
            )
        return found

    def calibrations(
        self, caller: Caller, *, identity: str | None = None, limit: int = 50, after: str | None = None
    ) -> CalibrationPage:
        """Calibrations of one judge or of all, newest first."""
        caller.require(Permission.EVALUATIONS_READ)
        items, following = self._store.page(
            caller.scope, identity=identity, limit=max(1, min(limit, MAX_PAGE)), after=after
        )
        return CalibrationPage(items=tuple(items), next=following)

    def calibration_of(self, scope: Scope, identity: str) -> Calibration | None:
        """The newest calibration of a judge; None where there is none. Gates ask for it."""
        return self._store.latest(scope, identity)

    def calibrations_of_run(self, scope: Scope, run: EvaluationRun) -> dict[str, Calibration]:
        """The newest calibration of each of a run's scorers that has one, by the scorer's name."""
        found = {ref.name: self._store.latest(scope, identity_of(ref)) for ref in run.scorers}
        return {name: each for name, each in found.items() if each is not None}

    def delete_scope(self, scope: Scope) -> None:
        """Remove every calibration of a tenant, or of one project of it."""
        self._store.delete_scope(scope)

    def _people(
        self, caller: Caller, order: CalibrationOrder, rows: Sequence[RowResult]
    ) -> Mapping[str, Sequence[Any]]:
        if bool(order.people) == bool(order.queue_id):
            raise InvalidError(
                N_("People's verdicts come from a review queue or are given, one of the two."), reason="judge.people"
            )
        if len(order.people) > MAX_LABELS:
            raise InvalidError(N_("At most {limit} verdicts can be given."), reason="judge.people", limit=MAX_LABELS)
        if order.people:
            return {item: said if isinstance(said, list | tuple) else [said] for item, said in order.people.items()}
        if self._labels is None:
            raise InvalidError(N_("There are no review queues here."), reason="judge.people")
        answers = by_answer(rows)
        said = self._labels.labels_by_answer(caller, order.queue_id)
        return {answers[key]: values for key, values in said.items() if key in answers}

    def _repeated(self, caller: Caller, run_id: str, ref: ScorerRef) -> list[RowResult]:
        run = self._completed(caller, run_id)
        other = next((each for each in run.scorers if each.name == ref.name), None)
        if other is None or identity_of(other) != identity_of(ref):
            raise ConflictError(
                N_("Run {run_id!r} was not scored by the same judge {scorer!r}."),
                hint=N_("A judge's flip rate is known from its own verdicts alone."),
                reason="judge.other_judge",
                run_id=run_id,
                scorer=ref.name,
            )
        return self._rows(caller.scope, run)

    def _completed(self, caller: Caller, run_id: str) -> EvaluationRun:
        run = self._runs.get(caller, run_id)
        if run.status is not RunStatus.COMPLETED:
            raise ConflictError(
                N_("Evaluation run {run_id!r} has not completed: it is {status}."),
                reason="judge.not_completed",
                run_id=run_id,
                status=str(run.status),
            )
        return run

    def _rows(self, scope: Scope, run: EvaluationRun) -> list[RowResult]:
        table = self._reader.table(scope, run)
        return [] if table is None else to_results(table)


def _summary(ref: ScorerRef, run: EvaluationRun) -> JudgeSummary:
    return JudgeSummary(
        identity=identity_of(ref), scorer=ref.name, judge=dict(ref.parameters), last_used_ns=run.created_ns
    )
