"""Reports of what a project evaluated, in any format and language."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import Change, Comparison, Version
from aiplatform.eval.reporting.content import ComparisonReport, Regressions, Report, ReportFormat, RunReport
from aiplatform.eval.reporting.junit import junit
from aiplatform.eval.reporting.markdown import markdown
from aiplatform.eval.service import EvaluationService
from aiplatform.tenancy.model import Caller

ROWS_SHOWN: Final = 10
"""Rows that a report shows of each candidate's regressions, or of a run's weakest."""


class Reports:
    """Makes reports of the evaluations that a caller may read."""

    def __init__(self, evaluations: EvaluationService, *, clock: Clock | None = None) -> None:
        self._evaluations = evaluations
        self._clock = clock or SystemClock()

    def of_comparison(self, caller: Caller, comparison_id: str, *, gate: str = "") -> ComparisonReport:
        """A comparison with its runs and the rows that got worse.

        Args:
            caller: Who asks.
            comparison_id: Which one.
            gate: Another gate than the one that it was made with.

        Raises:
            NotFoundError: The project has no such comparison, or the rows of its runs are gone.
            InvalidError: The gate cannot be understood.
        """
        comparison = self._evaluations.comparison(caller, comparison_id)
        if gate.strip():
            checked = self._evaluations.gate_comparison(caller, comparison_id, gate)
            comparison = replace(comparison, gates=checked, options=replace(comparison.options, gate=gate))
        return ComparisonReport(
            comparison=comparison,
            runs=tuple(self._evaluations.get(caller, version.run_id) for version in comparison.versions),
            regressions=tuple(self._regressions(caller, comparison, version) for version in comparison.candidates),
            made_ns=self._clock.now_ns(),
        )

    def of_run(self, caller: Caller, run_id: str, *, gate: str = "", baseline: str | None = None) -> RunReport:
        """A run with its weakest rows, and what becomes of a gate on it.

        Raises:
            NotFoundError: The project has no such run, or its rows are gone.
            InvalidError: The gate cannot be understood.
            ConflictError: The baseline is not comparable.
        """
        run = self._evaluations.get(caller, run_id)
        checked = (self._evaluations.check_gate(caller, run_id, gate, baseline=baseline),) if gate.strip() else ()
        rows = self._evaluations.weakest_rows(caller, run_id, limit=ROWS_SHOWN) if run.files else ()
        return RunReport(run=run, rows=rows, gates=checked, made_ns=self._clock.now_ns())

    def _regressions(self, caller: Caller, comparison: Comparison, version: Version) -> Regressions:
        found = self._evaluations.comparison_rows(
            caller, comparison.comparison_id, candidate=version.run_id, change=Change.WORSE, limit=ROWS_SHOWN
        )
        return Regressions(name=version.name, total=found.counts.worse, rows=found.items)


def render(report: Report, form: ReportFormat, locale: str) -> bytes:
    """A report in one format and language.

    Raises:
        InvalidError: JUnit was asked for and there is no gate to tell of.
        ConfigError: PDF was asked for and what makes it is not installed.
    """
    if form is ReportFormat.MARKDOWN:
        return markdown(report, locale=locale).encode()
    if form is ReportFormat.JUNIT:
        if not report.gates:
            raise InvalidError(
                N_("JUnit tells what became of a gate, and there is none."),
                hint=N_("Ask with a gate, such as `accuracy >= 0.9`, or for another format."),
                reason="report.no_gate",
            )
        return junit(report.gates, name=report.title or "gate", locale=locale).encode()
    from aiplatform.eval.reporting.html import render_html  # noqa: PLC0415 - templates are for these formats alone

    html = render_html(report, locale)
    if form is ReportFormat.HTML:
        return html.encode()
    from aiplatform.eval.reporting.pdf import render_pdf  # noqa: PLC0415 - as above

    return render_pdf(html)
