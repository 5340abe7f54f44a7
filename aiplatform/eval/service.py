"""Use cases of evaluation in the control plane: runs, their rows, comparisons and gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiplatform.eval.model import (
    ChangePage,
    CompareOptions,
    Comparison,
    ComparisonPage,
    EvaluationRun,
    GateResult,
    RowPage,
    RunPage,
)
from aiplatform.tenancy.model import Caller


class EvaluationService:
    """Evaluation runs of a project, and what their comparison establishes."""

    def create(self, caller: Caller, run: Mapping[str, Any], *, start: bool = False) -> EvaluationRun:
        """Record a new run, and with `start` submit it as a job. The same run id again answers with that run."""
        raise NotImplementedError

    def update(self, caller: Caller, run_id: str, change: Mapping[str, Any]) -> EvaluationRun:
        """Progress or result of a run, from its driver; repeating it changes nothing."""
        raise NotImplementedError

    def get(self, caller: Caller, run_id: str) -> EvaluationRun:
        """The run of that id."""
        raise NotImplementedError

    def list(self, caller: Caller, *, limit: int = 50, after: str | None = None, data: str | None = None) -> RunPage:
        """Runs of the project, newest first."""
        raise NotImplementedError

    def cancel(self, caller: Caller, run_id: str) -> EvaluationRun:
        """Stop a run; one that has ended stays as it is."""
        raise NotImplementedError

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
        """Row results; `in_slice` is `column=value`, `metric` with `state` keeps rows whose score is in that state."""
        raise NotImplementedError

    def check_gate(self, caller: Caller, run_id: str, gate: str, *, baseline: str | None = None) -> GateResult:
        """One gate on one run, with the runs it is compared with where the gate asks."""
        raise NotImplementedError

    def compare(
        self,
        caller: Caller,
        baseline: str,
        candidates: Sequence[str],
        options: CompareOptions,
        *,
        name: str = "",
    ) -> Comparison:
        """Compare runs, and keep the result."""
        raise NotImplementedError

    def comparison(self, caller: Caller, comparison_id: str) -> Comparison:
        """The comparison of that id."""
        raise NotImplementedError

    def comparisons(self, caller: Caller, *, limit: int = 50, after: str | None = None) -> ComparisonPage:
        """Comparisons of the project, newest first."""
        raise NotImplementedError

    def comparison_rows(
        self,
        caller: Caller,
        comparison_id: str,
        *,
        candidate: str | None = None,
        metric: str | None = None,
        change: str | None = None,
        in_slice: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> ChangePage:
        """Compared rows, regressions first; by default of the first candidate on the primary metric."""
        raise NotImplementedError
