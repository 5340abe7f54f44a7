"""The values of evaluation: runs, their metrics, and comparisons of runs. Pages and terminal draw from these alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from aiplatform.core.i18n import DEFAULT_LOCALE, N_, translate

T = TypeVar("T")

LIST_SEPARATORS: Final = {"en": ", ", "zh_CN": "、"}


class ScoreState(StrEnum):
    """What became of one score of one row. A failed score is never a silent zero."""

    SCORED = "scored"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class RunStatus(StrEnum):
    """Where an evaluation run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it stays as it is."""
        return self in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}


class MetricKind(StrEnum):
    """How a metric follows from its rows, which decides interval and test."""

    PROPORTION = "proportion"
    MEAN = "mean"
    AUC = "auc"
    QUANTILE = "quantile"


class Unit(StrEnum):
    """What a metric counts in."""

    NONE = ""
    MILLISECONDS = "ms"


class Status(StrEnum):
    """What a comparison established of one version on one metric. `open` means: not established either way."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"


class Outcome(StrEnum):
    """What became of a gate, or of one of its conditions. Only `pass` lets a version through."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Change(StrEnum):
    """How one row did under a candidate, seen from the baseline."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    MISSING = "missing"
    """One of the two has no score there. A missing case is not a passing case."""


STATE_NAMES: Final = {
    ScoreState.SCORED: N_("scored"),
    ScoreState.FAILED: N_("failed"),
    ScoreState.NOT_APPLICABLE: N_("not applicable"),
}
RUN_STATUS_NAMES: Final = {
    RunStatus.QUEUED: N_("queued"),
    RunStatus.RUNNING: N_("running"),
    RunStatus.COMPLETED: N_("completed"),
    RunStatus.FAILED: N_("failed"),
    RunStatus.CANCELLED: N_("cancelled"),
}
STATUS_NAMES: Final = {
    Status.BASELINE: N_("baseline"),
    Status.BETTER: N_("better"),
    Status.WORSE: N_("worse"),
    Status.OPEN: N_("open"),
}
OUTCOME_NAMES: Final = {
    Outcome.PASS: N_("passes"),
    Outcome.FAIL: N_("does not pass"),
    Outcome.UNKNOWN: N_("cannot be told"),
}
CHANGE_NAMES: Final = {
    Change.WORSE: N_("worse"),
    Change.BETTER: N_("better"),
    Change.SAME: N_("same"),
    Change.MISSING: N_("missing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sentence of the catalogue with its values, so that it reads in every language."""

    text: str
    fields: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Values of the template; several are joined as the language joins them."""

    def localized(self, locale: str = DEFAULT_LOCALE) -> str:
        """The sentence in `locale`."""
        template = translate(self.text, locale)
        if not self.fields:
            return template
        separator = LIST_SEPARATORS.get(locale, ", ")
        return template.format(
            **{name: value if isinstance(value, str) else separator.join(value) for name, value in self.fields.items()}
        )

    def __str__(self) -> str:
        return self.localized()


def message(text: str, **fields: str | tuple[str, ...]) -> Message:
    """A `Message` from a template marked with `N_` and its fields."""
    return Message(text=text, fields=fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRef:
    """What was evaluated on."""

    name: str = ""
    version: str = ""
    hash: str = ""
    """Hash of the registered version's content; empty for data that were handed in."""

    rows_hash: str = ""
    """Hash over the row ids, inputs and expectations that were used, in any order. Equal hashes mean equal rows."""

    num_rows: int = 0

    @property
    def label(self) -> str:
        """`python-faq@3`, or the first digits of the rows' hash where the data have no name."""
        if self.name:
            return f"{self.name}@{self.version}" if self.version else self.name
        return f"rows {self.rows_hash[:8]}" if self.rows_hash else "rows"


class ModelKind(StrEnum):
    """How answers came about."""

    CALLABLE = "callable"
    ENDPOINT = "endpoint"
    STORED = "stored"
    """The data held them; no model was called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """What was evaluated."""

    kind: ModelKind = ModelKind.STORED
    name: str = ""
    """Name of a callable, of a registered model, or of the model asked for at an endpoint."""

    version: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerRef:
    """Which scorer gave a score, down to its version."""

    name: str
    version: str = "1"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: MetricKind | None = None
    """`mean` where values between 0 and 1 may occur, even if none did; None lets the values decide."""

    lower_is_better: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """One number of one run, with what is needed to trust it."""

    name: str
    kind: MetricKind
    value: float | None
    """None where nothing was scored."""

    measure: str = "mean"
    """How it follows from the rows: `mean`, `auc`, `false_answers`, `false_abstentions`, `latency_mean`, `latency_p95`,
    `errors`."""

    low: float | None = None
    high: float | None = None
    n: int = 0
    """Rows the number rests on."""

    scored: int = 0
    failed: int = 0
    not_applicable: int = 0
    interval: str = ""
    """Method of the interval: `wilson`, `t`, `delong`, `order_statistics`, `bootstrap`, `clustered_t`."""

    level: float = 0.95
    unit: Unit = Unit.NONE
    lower_is_better: bool = False
    scorer: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else belongs to it: the threshold of a rate, the number of clusters, positives and negatives."""

    @property
    def coverage(self) -> float | None:
        """Share of the rows it applies to that have a score; None where it applies to no row."""
        applicable = self.scored + self.failed
        return self.scored / applicable if applicable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMetrics:
    """The metrics of the rows that share one value of one column."""

    column: str
    value: str
    num_rows: int
    metrics: tuple[MetricValue, ...]

    @property
    def label(self) -> str:
        """`language=zh`."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile:
    """One Parquet file of row results in the artifact store."""

    path: str
    num_rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """One evaluation run: one model on one set of rows."""

    run_id: str
    project_id: str
    name: str
    status: RunStatus
    label: str = ""
    """What the version is, in a few words: `MiniLM + adapter`."""

    data: DataRef = DataRef()
    model: ModelRef = ModelRef()
    scorers: tuple[ScorerRef, ...] = ()
    slices: tuple[str, ...] = ()
    primary: str = ""
    """The metric that lists show and comparisons begin with."""

    done_rows: int = 0
    total_rows: int | None = None
    error_rows: int = 0
    """Rows whose model call failed."""

    metrics: tuple[MetricValue, ...] = ()
    slice_metrics: tuple[SliceMetrics, ...] = ()
    files: tuple[RowFile, ...] = ()
    seed: int = 0
    code_version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None
    """What a run that the platform started was asked to do."""

    error: str = ""
    job_id: str = ""
    created_by: str = ""
    created_ns: int = 0
    started_ns: int | None = None
    ended_ns: int | None = None

    def metric(self, name: str) -> MetricValue | None:
        """The metric of that name; None where the run has none."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    @property
    def primary_metric(self) -> MetricValue | None:
        """The metric that lists show."""
        return self.metric(self.primary) if self.primary else next(iter(self.metrics), None)

    @property
    def progress(self) -> float | None:
        """Share of the rows that are done; None while their number is not known."""
        return self.done_rows / self.total_rows if self.total_rows else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """An evaluation run to record."""

    name: str
    run_id: str | None = None
    """The caller's own id: recording it again answers with the run that it made."""

    label: str = ""
    data: DataRef = DataRef()
    model: ModelRef = ModelRef()
    scorers: tuple[ScorerRef, ...] = ()
    slices: tuple[str, ...] = ()
    primary: str = ""
    total_rows: int | None = None
    seed: int = 0
    code_version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None
    """What to run, where the platform shall start it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUpdate:
    """What a driver says of its run; None leaves a field as it is."""

    status: RunStatus | None = None
    done_rows: int | None = None
    total_rows: int | None = None
    error_rows: int | None = None
    data: DataRef | None = None
    scorers: tuple[ScorerRef, ...] | None = None
    slices: tuple[str, ...] | None = None
    primary: str | None = None
    metrics: tuple[MetricValue, ...] | None = None
    slice_metrics: tuple[SliceMetrics, ...] | None = None
    files: tuple[RowFile, ...] | None = None
    seed: int | None = None
    code_version: str | None = None
    environment: Mapping[str, str] | None = None
    model: ModelRef | None = None
    label: str | None = None
    error: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScore:
    """One score of one row."""

    name: str
    state: ScoreState
    value: float | None = None
    reason: str = ""
    label: bool | None = None
    """The truth that an AUC ranks the value against."""

    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Everything that one row came to."""

    row_id: str
    input: Any
    expected: Any = None
    output: Any = None
    slices: Mapping[str, str] = field(default_factory=dict)
    scores: tuple[RowScore, ...] = ()
    latency_ms: float | None = None
    error: str = ""
    trace_id: str = ""


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
class Version:
    """One run as a comparison speaks of it."""

    run_id: str
    name: str
    label: str = ""
    is_baseline: bool = False
    error_rows: int = 0
    num_rows: int = 0


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
    """Method of the difference's interval: `tango`, `bootstrap`, `delong`, `clustered_t`."""

    p_raw: float | None = None
    p_holm: float | None = None
    test: str = ""
    """`mcnemar_exact`, `mcnemar_chi2` (Edwards' correction), `wilcoxon`, `bootstrap`, `delong`, `clustered_t`."""

    needed_rows: int | None = None
    """Rows that would settle an open difference of this size with 80 % power; None where nothing can be said."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the reader should take away, as sentences of the catalogue."""

    headline: tuple[Message, ...]
    """The answer. Page and terminal begin with it."""

    details: tuple[Message, ...] = ()
    """Its reasons."""

    promote: str | None = None
    """Run of the version that may be promoted."""

    def headline_text(self, locale: str = DEFAULT_LOCALE) -> str:
        """The answer as one text."""
        return _joined(self.headline, locale)

    def details_text(self, locale: str = DEFAULT_LOCALE) -> str:
        """The reasons as one text."""
        return _joined(self.details, locale)


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
    """Further metrics. Holm's correction goes over versions times metrics."""

    gate: str = ""
    level: float = 0.95
    seed: int = 0
    draws: int = 10_000
    """Bootstrap draws."""

    test: str = "bootstrap"
    """For metrics that are no proportion: `bootstrap`, or `wilcoxon`."""

    cluster: str = ""
    """Column whose equal values belong together; standard errors are then clustered."""

    slices: tuple[str, ...] = ()
    """Columns to slice by; by default those that the runs share."""

    force: bool = False
    """Compare runs on different data too, on the rows they share."""


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
class RunPage:
    """Runs, newest first."""

    items: tuple[EvaluationRun, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    """Comparisons, newest first."""

    items: tuple[Comparison, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Row results of a run, in the order of their ids."""

    items: tuple[RowResult, ...]
    total: int
    """Rows that match, on all pages."""

    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Compared rows, regressions first, then improvements, missing and the same; by row id within each."""

    items: tuple[RowChange, ...]
    counts: RowCounts
    """Of all rows that match the slice, whatever `change` asked for."""

    next: str | None = None


def _joined(messages: tuple[Message, ...], locale: str) -> str:
    return ("" if locale.startswith("zh") else " ").join(each.localized(locale) for each in messages)


_ADAPTERS: Final[dict[Any, TypeAdapter[Any]]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(value: Any) -> Any:
    """A value of this module as plain JSON data."""
    return _adapter(type(value)).dump_python(value, mode="json")


def from_json(kind: type[T], data: Any) -> T:
    """The value that `to_json` wrote. Unknown fields of later versions are ignored."""
    value: T = _adapter(kind).validate_python(data)
    return value
