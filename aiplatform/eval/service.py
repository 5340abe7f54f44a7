"""Use cases of evaluation in the control plane: runs and their rows, comparisons and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval import comparing, gates, leaderboard, rows
from aiplatform.eval.gate_language import parse_gate
from aiplatform.eval.gate_nodes import Gate, judges_of
from aiplatform.eval.model import (
    Calibration,
    Change,
    ChangePage,
    ComparedRow,
    CompareOptions,
    Comparison,
    ComparisonPage,
    EvaluationRun,
    GateResult,
    Leaderboard,
    Message,
    MetricValue,
    RowChange,
    RowResult,
    RowSide,
)
from aiplatform.eval.run_service import MAX_PAGE, RunService, next_page, page_limit, page_offset, parse_slice
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission


class EvaluationService(RunService):
    """Evaluation runs of a project, and what their comparison establishes."""

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
            known = self._calibrations_of(caller, run, parsed)
            return gates.check(parsed, gates.facts_of(run, calibrations=known), run_id=run_id, name=run.name)
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
        items, following = self._store.comparison_page(caller.scope, limit=page_limit(limit), after=after)
        return ComparisonPage(items=tuple(items), next=following)

    def leaderboard(
        self,
        caller: Caller,
        run_ids: Sequence[str] = (),
        *,
        data: str = "",
        on: str = "",
        metrics: Sequence[str] = (),
        force: bool = False,
    ) -> Leaderboard:
        """Runs in the order of a metric, with the ranks that each keeps when the rows are drawn anew.

        Args:
            caller: Who asks.
            run_ids: Which runs; with none, the newest of every name on `data`.
            data: Label of the data set version, `python-faq@3`.
            on: Metric that ranks; by default the first run's own.
            metrics: Metrics that stand beside it; by default all that the first run has.
            force: Rank runs of different rows, scorers or judges too; the leaderboard is then marked.

        Raises:
            InvalidError: There are too few or too many runs.
            NotFoundError: The project has no such run, or the first has no such metric.
            ConflictError: The runs cannot be ranked together and `force` is off.
        """
        caller.require(Permission.EVALUATIONS_READ)
        left_out: tuple[Message, ...] = ()
        if run_ids:
            runs = tuple(self._required(caller, run_id) for run_id in run_ids)
        else:
            found, _ = self._store.page(caller.scope, limit=MAX_PAGE, after=None, data=data, status="completed")
            runs, left_out = leaderboard.rankable(found, (on,) if on else ())
        names = leaderboard.metric_names(runs, on, metrics)
        leaderboard.check_rankable(runs, names, force=force)
        return leaderboard.rank([self._reader.data(caller.scope, run) for run in runs], names, left_out=left_out)

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
        sides = self._sides(caller, comparison_id, candidate, metric)
        found = self._changes(caller, sides, in_slice)
        counts = comparing.count_changes(sides.candidate.run_id, [row_change for _, row_change in found])
        asked = [row for row in found if change is None or row[1] is change]
        start = page_offset(after)
        page = asked[start : start + page_limit(limit)]
        items = self._side_by_side(caller, sides.baseline, sides.candidate, page, sides.metric)
        return ChangePage(items=items, counts=counts, next=next_page(start + len(page), len(asked)))

    def comparison_row(
        self,
        caller: Caller,
        comparison_id: str,
        row_id: str,
        *,
        candidate: str | None = None,
        metric: str | None = None,
        change: Change | None = None,
        in_slice: str | None = None,
    ) -> ComparedRow:
        """One row under both versions, with its neighbours in the list that `change` and `in_slice` make.

        Raises:
            NotFoundError: There is no such comparison, candidate, metric or row, or the rows are gone.
        """
        sides = self._sides(caller, comparison_id, candidate, metric)
        found = self._changes(caller, sides, in_slice)
        listed = [known for known, row_change in found if change is None or row_change is change]
        place = listed.index(row_id) if row_id in listed else None
        both = [self._row(caller, run, row_id) for run in (sides.baseline, sides.candidate)]
        if both == [None, None]:
            raise _no_row(comparison_id, row_id)
        return ComparedRow(
            row_id=row_id,
            change=dict(found).get(row_id),
            baseline=both[0],
            candidate=both[1],
            previous=listed[place - 1] if place else None,
            following=listed[place + 1] if place is not None and place + 1 < len(listed) else None,
            place=None if place is None else place + 1,
            total=len(listed),
        )

    def row(self, caller: Caller, run_id: str, row_id: str) -> RowResult:
        """One row of a run in full.

        Raises:
            NotFoundError: The project has no such run, or it no such row.
        """
        caller.require(Permission.EVALUATIONS_READ)
        found = self._row(caller, self._required(caller, run_id), row_id)
        if found is None:
            raise _no_row(run_id, row_id)
        return found

    def _row(self, caller: Caller, run: EvaluationRun, row_id: str) -> RowResult | None:
        table = self._reader.table(caller.scope, run)
        return None if table is None else rows.by_ids(table, [row_id]).get(row_id)

    def _sides(self, caller: Caller, comparison_id: str, candidate: str | None, metric: str | None) -> _Sides:
        """What of a comparison is looked at: by default the first candidate on the primary metric."""
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
        return _Sides(baseline=baseline, candidate=other, metric=value)

    def _changes(self, caller: Caller, sides: _Sides, in_slice: str | None) -> list[tuple[str, Change]]:
        """Rows that the metric applies to, regressions first."""
        left, right = (self._reader.data(caller.scope, run) for run in (sides.baseline, sides.candidate))
        kept = rows.ids_in_slice(left.rows, parse_slice(in_slice)) if in_slice else None
        found = comparing.row_gains(left, right, sides.metric)
        return [(row_id, row_change) for row_id, row_change, _ in found if kept is None or row_id in kept]

    def _compare(
        self, caller: Caller, baseline: str, candidates: Sequence[str], options: CompareOptions, *, name: str = ""
    ) -> Comparison:
        runs = [self._required(caller, run_id) for run_id in (baseline, *candidates)]
        comparing.check_comparable(runs[0], runs[1:], options)
        data = [self._reader.data(caller.scope, run) for run in runs]
        gate = parse_gate(options.gate) if options.gate.strip() else None
        return comparing.compare(
            data[0],
            data[1:],
            options,
            comparison_id=new_id("cmp", self._clock.now_ns()),
            calibrations={run.run_id: self._calibrations_of(caller, run, gate) for run in runs if gate},
            name=name,
            created_by=caller.principal,
            created_ns=self._clock.now_ns(),
        )

    def _calibrations_of(self, caller: Caller, run: EvaluationRun, gate: Gate | None) -> dict[str, Calibration]:
        """How well the judges that a gate asks for, as they scored this run, agree with people."""
        asked = judges_of(gate) if gate else ()
        if self._calibrations is None or not asked:
            return {}
        found = ((each.name, self._calibrations.calibration(caller.scope, each)) for each in run.scorers)
        return {name: known for name, known in found if name in asked and known is not None}

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """What of a comparison is looked at."""

    baseline: EvaluationRun
    candidate: EvaluationRun
    metric: MetricValue


def _no_row(holder_id: str, row_id: str) -> NotFoundError:
    return NotFoundError(
        N_("{holder_id!r} has no row {row_id!r}."),
        reason="evaluation.unknown_row",
        holder_id=holder_id,
        row_id=row_id,
    )


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
