"""Runs, comparisons and leaderboards in a program's hands."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console, RenderableType

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import (
    Change,
    Comparison,
    EvaluationRun,
    GateResult,
    Leaderboard,
    LeaderboardEntry,
    MetricValue,
    Outcome,
    RowChange,
    RowResult,
    RunStatus,
    from_json,
)
from aiplatform.eval.reporting.content import SUFFIXES
from aiplatform.eval.terminal import comparison_view, gate_view, leaderboard_view, run_view

if TYPE_CHECKING:
    pass

PAGE: Final = 200
_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class EvaluationHandle:
    """An evaluation run as it was last seen."""

    run: EvaluationRun
    _client: Client = field(repr=False)

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.run.name

    @property
    def status(self) -> RunStatus:
        """Where it stood when it was last seen."""
        return self.run.status

    @property
    def metrics(self) -> Mapping[str, MetricValue]:
        """Its metrics by name."""
        return {metric.name: metric for metric in self.run.metrics}

    @property
    def url(self) -> str:
        """Address of its page."""
        return self._client.credentials.page(f"/evaluations/{self.run_id}")

    def refresh(self) -> EvaluationHandle:
        """The run as it is now."""
        found = self._client.get(f"/api/v1/evaluations/{self.run_id}")
        return EvaluationHandle(from_json(EvaluationRun, found), self._client)

    def rows(
        self, *, in_slice: str | None = None, metric: str | None = None, state: str | None = None
    ) -> Iterator[RowResult]:
        """Its row results, in the order of their ids; `in_slice` is `column=value`."""
        path, after = f"/api/v1/evaluations/{self.run_id}/rows", None
        while True:
            page = self._client.get(path, limit=PAGE, after=after, slice=in_slice, metric=metric, state=state)
            yield from (from_json(RowResult, item) for item in page["items"])
            after = page["next"]
            if after is None:
                return

    def check(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> GateResult:
        """A gate on this run, every condition by itself.

        Raises:
            InvalidError: The gate cannot be understood.
        """
        body = {"gate": gate, "baseline": id_of(baseline) if baseline is not None else None}
        path = f"/api/v1/evaluations/{self.run_id}:gate"
        return from_json(GateResult, self._client.post(path, body, idempotent=True))

    def must(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> EvaluationHandle:
        """The run itself where it passes a gate.

        Raises:
            AssertionError: It does not, or that cannot be told; the message is the gate, every condition by itself.
        """
        __tracebackhide__ = True
        result = self.check(gate, baseline=baseline)
        if result.outcome is not Outcome.PASS:
            raise AssertionError(f"{self.name} does not pass its gate\n{_text(gate_view(result))}")
        return self

    def passes(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> bool:
        """Whether the run passes a gate; what cannot be told does not pass."""
        return self.check(gate, baseline=baseline).outcome is Outcome.PASS

    def report(
        self,
        path: str | Path,
        *,
        lang: str | None = None,
        gate: str = "",
        baseline: EvaluationHandle | str | None = None,
    ) -> Path:
        """Write a report: the suffix says whether HTML, PDF, Markdown or, with a gate, JUnit XML.

        Args:
            path: Where to; `.html`, `.pdf`, `.md` or `.xml`.
            lang: `en` or `zh`; by default English.
            gate: Conditions whose outcome the report tells.
            baseline: Run that the gate compares with.

        Raises:
            InvalidError: The suffix is none of these, or JUnit was asked for without a gate.
            ConfigError: The platform lacks what makes PDF.
        """
        known = id_of(baseline) if baseline is not None else None
        options = {"lang": lang, "gate": gate or None, "baseline": known}
        return _report(self._client, f"/api/v1/evaluations/{self.run_id}/report", path, options)

    def __str__(self) -> str:
        return _text(run_view(self.run))

    def __rich__(self) -> RenderableType:
        return run_view(self.run)


@dataclass(frozen=True, slots=True)
class ComparisonHandle:
    """A comparison, which never changes."""

    comparison: Comparison
    _client: Client = field(repr=False)

    @property
    def comparison_id(self) -> str:
        """Its id."""
        return self.comparison.comparison_id

    @property
    def url(self) -> str:
        """Address of its page."""
        return self._client.credentials.page(f"/comparisons/{self.comparison_id}")

    @property
    def promote(self) -> str | None:
        """Id of the run whose version may be promoted; None where nothing is established."""
        return self.comparison.verdict.promote

    def check(self, gate: str) -> tuple[GateResult, ...]:
        """A gate on every candidate.

        Raises:
            InvalidError: The gate cannot be understood.
        """
        path = f"/api/v1/comparisons/{self.comparison_id}:gate"
        items = self._client.post(path, {"gate": gate}, idempotent=True)["items"]
        return tuple(from_json(GateResult, item) for item in items)

    def passes(self, gate: str) -> bool:
        """Whether every candidate passes a gate; what cannot be told does not pass."""
        return all(result.outcome is Outcome.PASS for result in self.check(gate))

    def rows(
        self,
        *,
        candidate: EvaluationHandle | str | None = None,
        metric: str | None = None,
        change: Change | str | None = None,
        in_slice: str | None = None,
    ) -> Iterator[RowChange]:
        """Rows side by side, regressions first."""
        path, after = f"/api/v1/comparisons/{self.comparison_id}/rows", None
        chosen = id_of(candidate) if candidate is not None else None
        wanted = str(change) if change is not None else None
        while True:
            page = self._client.get(
                path, candidate=chosen, metric=metric, change=wanted, slice=in_slice, limit=PAGE, after=after
            )
            yield from (from_json(RowChange, item) for item in page["items"])
            after = page["next"]
            if after is None:
                return

    def report(self, path: str | Path, *, lang: str | None = None, gate: str = "") -> Path:
        """Write a report: the suffix says whether HTML, PDF, Markdown or JUnit XML.

        Args:
            path: Where to; `.html`, `.pdf`, `.md` or `.xml`.
            lang: `en` or `zh`; by default English.
            gate: Conditions to tell of instead of the comparison's own.

        Raises:
            InvalidError: The suffix is none of these, or JUnit was asked for without a gate.
            ConfigError: The platform lacks what makes PDF.
        """
        options = {"lang": lang, "gate": gate or None}
        return _report(self._client, f"/api/v1/comparisons/{self.comparison_id}/report", path, options)

    def __str__(self) -> str:
        return _text(comparison_view(self.comparison))

    def __rich__(self) -> RenderableType:
        return comparison_view(self.comparison)


@dataclass(frozen=True, slots=True)
class LeaderboardHandle:
    """A leaderboard as it stood when it was asked for."""

    leaderboard: Leaderboard

    def __iter__(self) -> Iterator[LeaderboardEntry]:
        return iter(self.leaderboard.entries)

    def __str__(self) -> str:
        return _text(leaderboard_view(self.leaderboard))

    def __rich__(self) -> RenderableType:
        return leaderboard_view(self.leaderboard)


def id_of(evaluation: EvaluationHandle | str) -> str:
    """The id of a run, whatever stands for it."""
    return evaluation if isinstance(evaluation, str) else evaluation.run_id


def _report(client: Client, address: str, path: str | Path, options: Mapping[str, str | None]) -> Path:
    where = Path(path)
    form = next((form for form, suffix in SUFFIXES.items() if suffix == where.suffix.lower()), None)
    if form is None:
        raise InvalidError(
            N_("A report cannot be written to {path!r}."),
            hint=N_("Its suffix says what it becomes: {known}."),
            reason="report.suffix",
            path=str(path),
            known=", ".join(SUFFIXES.values()),
        )
    params = {name: value for name, value in options.items() if value is not None}
    where.write_bytes(client.request("GET", address, params={"format": str(form), **params}).content)
    return where


def _text(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().rstrip()
