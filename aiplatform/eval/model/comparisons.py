"""Comparisons of runs: forest plots, slices, gates, the verdict, and rows side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from aiplatform.core.i18n import DEFAULT_LOCALE
from aiplatform.eval.model.runs import DataRef, RowResult
from aiplatform.eval.model.words import (
    Change,
    Correction,
    Message,
    MetricKind,
    Outcome,
    ScoreState,
    Status,
    Unit,
    joined,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSide:
    """One version's half of a compared row."""

    output: Any = None
    state: ScoreState | None = None
    """None where the version has no such row."""

    value: float | None = None
    reason: str = ""
    error: str = ""
    latency_ms: float | None = None
    trace_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One row under baseline and candidate, side by side."""

    row_id: str
    change: Change
    input: Any
    expected: Any = None
    slices: Mapping[str, str] = field(default_factory=dict)
    baseline: RowSide
    candidate: RowSide


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One row under baseline and candidate in full, and where it stands in the list that it was opened from."""

    row_id: str
    change: Change | None
    """None where the metric does not apply to it."""

    baseline: RowResult | None
    candidate: RowResult | None
    previous: str | None = None
    following: str | None = None
    place: int | None = None
    """In that list, counted from 1; None where it is not part of it."""

    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One run as a comparison speaks of it."""

    run_id: str
    name: str
    label: str = ""
    is_baseline: bool = False
    error_rows: int = 0
    num_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect size, candidate against baseline: positive, or above 1 for odds, where the candidate's is larger."""

    name: str
    """`cohens_h`, `odds_ratio` (of pairs that differ), `cohens_d_z` or `cliffs_delta`."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Omnibus:
    """One test of whether any of several versions differs on the rows that all of them scored."""

    test: str
    """`cochran_q`."""

    statistic: float
    freedom: int
    p: float
    n: int
    """Rows that every version scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One version on one metric, against the baseline: a line of the forest plot."""

    run_id: str
    name: str
    label: str
    status: Status
    value: float | None
    """The version's own value, over all rows that it scored."""

    low: float | None
    high: float | None
    coverage: float | None
    n: int = 0
    """Pairs: rows that both versions scored. The difference rests on these."""

    missing: int = 0
    """Rows that only one of the two scored, failures included."""

    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    interval: str = ""
    """Method of the difference's interval: `tango`, `bootstrap`, `delong`, `t`, `clustered_t`."""

    p_raw: float | None = None
    p_adjusted: Annotated[float | None, Field(validation_alias=AliasChoices("p_adjusted", "p_holm"))] = None
    """After the comparison's correction; comparisons of earlier releases call it `p_holm`."""

    p_holm: float | None = None
    """The same by its earlier name, for programs that are written against that."""

    test: str = ""
    """`mcnemar_exact`, `mcnemar_chi2` (Edwards' correction), `wilcoxon`, `bootstrap`, `delong`, `t`, `clustered_t`."""

    effects: tuple[Effect, ...] = ()
    too_few: bool = False
    """Whether there are too few pairs, clusters or rows of a truth for anything to be established."""

    needed_rows: int | None = None
    """Rows that would settle an open difference of this size with 80 % power; None where nothing can be said."""

    detectable: float | None = None
    """Smallest difference that this many rows would establish with 80 % power, where nothing is established."""

    wins: int = 0
    losses: int = 0
    ties: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """One metric of all versions."""

    name: str
    kind: MetricKind
    unit: Unit
    lower_is_better: bool
    is_primary: bool
    rows: tuple[ForestRow, ...]
    """The baseline first, then the candidates in the order they were given."""

    omnibus: Omnibus | None = None
    """Over all versions of a metric of zeros and ones, where there are more than two."""

    @property
    def in_points(self) -> bool:
        """Whether differences are shown times 100, as points."""
        return self.kind in {MetricKind.PROPORTION, MetricKind.AUC}


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceComparison:
    """One candidate on the primary metric, on the rows of one slice."""

    column: str
    value: str
    run_id: str
    row: ForestRow

    @property
    def label(self) -> str:
        """`language=zh`."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well one judge, in exactly the version that gave the scores, agrees with people."""

    judge: str
    kappa: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Rows that both the judge and people scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionResult:
    """One condition of a gate."""

    text: str
    outcome: Outcome
    detail: Message
    """What was found, or what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate on one version."""

    run_id: str
    name: str
    gate: str
    outcome: Outcome
    conditions: tuple[ConditionResult, ...]

    @property
    def stopped_by(self) -> ConditionResult | None:
        """The condition that decided it: what fails before what cannot be told; None where it passes."""
        if self.outcome is Outcome.PASS:
            return None
        wanted = (Outcome.FAIL, Outcome.UNKNOWN)
        return next((each for one in wanted for each in self.conditions if each.outcome is one), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the reader should take away, as sentences of the catalogue."""

    headline: tuple[Message, ...]
    """The answer. Page and terminal begin with it."""

    details: tuple[Message, ...] = ()
    """Its reasons."""

    promote: str | None = None
    """Run of the version that may be promoted."""

    marks: tuple[Message, ...] = ()
    """What makes a forced comparison one of unlike things; they are shown wherever the verdict is."""

    def headline_text(self, locale: str = DEFAULT_LOCALE) -> str:
        """The answer as one text."""
        return joined(self.headline, locale)

    def details_text(self, locale: str = DEFAULT_LOCALE) -> str:
        """The reasons as one text."""
        return joined(self.details, locale)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """How many rows a candidate changed on the primary metric."""

    run_id: str
    worse: int
    better: int
    same: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How runs are compared."""

    on: str = ""
    """Primary metric; by default the baseline's own."""

    metrics: tuple[str, ...] = ()
    """Further metrics. The correction goes over versions times metrics."""

    gate: str = ""
    level: float = 0.95
    seed: int = 0
    draws: int = 10_000
    """Bootstrap draws."""

    test: str = "bootstrap"
    """For metrics that are no proportion: `bootstrap`, `wilcoxon` or `t`."""

    correction: Correction = Correction.HOLM
    cluster: str = ""
    """Column whose equal values belong together; by default the baseline's own. Standard errors are then clustered."""

    slices: tuple[str, ...] = ()
    """Columns to slice by; by default those that the runs share."""

    force: bool = False
    """Compare runs of different data, scorers or judges too, on the rows they share; the verdict is then marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs against a baseline, and what that established."""

    comparison_id: str
    project_id: str
    data: DataRef
    versions: tuple[Version, ...]
    metrics: tuple[MetricComparison, ...]
    slices: tuple[SliceComparison, ...]
    gates: tuple[GateResult, ...]
    counts: tuple[RowCounts, ...]
    verdict: Verdict
    notes: tuple[Message, ...]
    options: CompareOptions
    name: str = ""
    created_by: str = ""
    created_ns: int = 0

    @property
    def baseline(self) -> Version:
        """The version that the others are compared with."""
        return next(version for version in self.versions if version.is_baseline)

    @property
    def candidates(self) -> tuple[Version, ...]:
        """The others."""
        return tuple(version for version in self.versions if not version.is_baseline)

    @property
    def primary(self) -> MetricComparison:
        """The metric that decides."""
        return next(metric for metric in self.metrics if metric.is_primary)

    @property
    def outcome(self) -> Outcome | None:
        """Whether every candidate passes its gate; None where there is no gate."""
        outcomes = [gate.outcome for gate in self.gates]
        if not outcomes:
            return None
        if all(outcome is Outcome.PASS for outcome in outcomes):
            return Outcome.PASS
        return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.UNKNOWN

    def metric(self, name: str) -> MetricComparison | None:
        """The metric of that name; None where it was not compared."""
        return next((metric for metric in self.metrics if metric.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    """Comparisons, newest first."""

    items: tuple[Comparison, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Compared rows, regressions first, then improvements, missing and the same; by row id within each."""

    items: tuple[RowChange, ...]
    counts: RowCounts
    """Of all rows that match the slice, whatever `change` asked for."""

    next: str | None = None
