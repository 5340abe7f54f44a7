"""What a report tells, before any format: a comparison or a run with everything needed to trust and repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiplatform.core.i18n import N_
from aiplatform.eval.model import Comparison, EvaluationRun, GateResult, RowChange, RowResult


class ReportFormat(StrEnum):
    """What a report can be asked for as."""

    HTML = "html"
    PDF = "pdf"
    MARKDOWN = "md"
    JUNIT = "junit"


MEDIA_TYPES = {
    ReportFormat.HTML: "text/html; charset=utf-8",
    ReportFormat.PDF: "application/pdf",
    ReportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ReportFormat.JUNIT: "application/xml",
}
SUFFIXES = {
    ReportFormat.HTML: ".html",
    ReportFormat.PDF: ".pdf",
    ReportFormat.MARKDOWN: ".md",
    ReportFormat.JUNIT: ".xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Regressions:
    """The rows that one candidate made worse, the worst first."""

    name: str
    total: int
    rows: tuple[RowChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """A comparison with the runs behind it."""

    comparison: Comparison
    runs: tuple[EvaluationRun, ...]
    """In the order of the comparison's versions."""

    regressions: tuple[Regressions, ...]
    made_ns: int

    @property
    def title(self) -> str:
        """What the reader calls it."""
        return self.comparison.name

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """What became of the gate, a result a candidate."""
        return self.comparison.gates


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run with its weakest rows, and what became of a gate where one was asked for."""

    run: EvaluationRun
    rows: tuple[RowResult, ...]
    """Rows that failed, then those with the lowest primary score."""

    made_ns: int
    gates: tuple[GateResult, ...] = ()

    @property
    def title(self) -> str:
        """What the reader calls it."""
        return self.run.name

    @property
    def runs(self) -> tuple[EvaluationRun, ...]:
        """The run alone."""
        return (self.run,)


Report = ComparisonReport | RunReport


def origins(runs: Sequence[EvaluationRun]) -> list[tuple[str, tuple[str, ...]]]:
    """What each run was made of and with, a line a fact, a value a run: what is needed to repeat it."""
    facts: list[tuple[str, tuple[str, ...]]] = [
        (N_("Run"), tuple(run.run_id for run in runs)),
        (N_("Data set"), tuple(run.data.label for run in runs)),
        (N_("Hash of the data set"), tuple(run.data.hash for run in runs)),
        (N_("Hash of the rows"), tuple(run.data.rows_hash for run in runs)),
        (N_("Rows"), tuple(f"{run.done_rows:,}" for run in runs)),
        (N_("Failed rows"), tuple(f"{run.error_rows:,}" for run in runs)),
        (N_("Model"), tuple(_model(run) for run in runs)),
        (N_("Calls, paid and from the cache"), tuple(_calls(run) for run in runs)),
        (N_("Tokens in and out"), tuple(_tokens(run) for run in runs)),
        (N_("Cost"), tuple(_cost(run) for run in runs)),
        (N_("Clustered by"), tuple(run.cluster for run in runs)),
        (N_("Seed"), tuple(str(run.seed) for run in runs)),
        (N_("Code"), tuple(run.code_version for run in runs)),
        (N_("By"), tuple(run.created_by for run in runs)),
        (N_("MLflow run"), tuple(run.mlflow_run_id for run in runs)),
    ]
    facts = [(name, values) for name, values in facts if any(values)]
    for name in sorted({name for run in runs for name in run.environment}):
        facts.append((name, tuple(run.environment.get(name, "") for run in runs)))
    return facts


def scorer_lines(runs: Sequence[EvaluationRun]) -> list[tuple[str, tuple[str, ...]]]:
    """Every scorer's version and parameters a run: a judge's identity is among them."""
    names = dict.fromkeys(scorer.name for run in runs for scorer in run.scorers)
    return [(name, tuple(_scorer(run, name) for run in runs)) for name in names]


def signature_lines(runs: Sequence[EvaluationRun]) -> list[tuple[str, tuple[str, ...]]]:
    """Signatures of metrics that their reference implementations define, a value a run."""
    found = {
        (place, metric.name): str(metric.details["signature"])
        for place, run in enumerate(runs)
        for metric in run.metrics
        if metric.details.get("signature")
    }
    names = dict.fromkeys(name for _, name in found)
    return [(name, tuple(found.get((place, name), "") for place in range(len(runs)))) for name in names]


def _model(run: EvaluationRun) -> str:
    version = f"@{run.model.version}" if run.model.version else ""
    return f"{run.model.kind} {run.model.name}{version}".strip()


def _calls(run: EvaluationRun) -> str:
    sums = run.calls
    return f"{sums.paid:,} + {sums.cached:,}" if sums.paid or sums.cached else ""


def _tokens(run: EvaluationRun) -> str:
    sums = run.calls
    return f"{sums.input_tokens:,} + {sums.output_tokens:,}" if sums.input_tokens or sums.output_tokens else ""


def _cost(run: EvaluationRun) -> str:
    # Six significant digits: a run of cheap calls is not free.
    return "" if run.calls.cost is None else f"{run.calls.cost:.6g} {run.calls.currency}".rstrip()


def _scorer(run: EvaluationRun, name: str) -> str:
    scorer = next((each for each in run.scorers if each.name == name), None)
    if scorer is None:
        return ""
    parameters = ", ".join(f"{key}={value}" for key, value in sorted(scorer.parameters.items()))
    return f"{scorer.version} ({parameters})" if parameters else scorer.version
