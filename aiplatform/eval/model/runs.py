"""Evaluation runs: what was evaluated on what, its metrics, and the results of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiplatform.core.errors import ConflictError
from aiplatform.core.i18n import N_
from aiplatform.eval.model.words import MetricKind, ModelKind, RunStatus, ScoreState, Unit


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
class CallSums:
    """What the model and judge calls of a run came to."""

    paid: int = 0
    """Calls that were made and answered for this run."""

    cached: int = 0
    """Calls that were answered by what was kept from before."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """Of the paid ones; None where no call had a price."""

    currency: str = ""


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

    cluster: str = ""
    """Column whose equal values depend on each other; errors are clustered by it."""

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
    """What the run was asked to do, where that can be written down: what it is resumed by."""

    calls: CallSums = CallSums()
    attempt: int = 1
    """Grows each time the run is resumed; a driver of an earlier attempt is not listened to."""

    error: str = ""
    job_id: str = ""
    mlflow_run_id: str = ""
    """The MLflow run that says the same; empty where none was made."""

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

    def check_ended(self) -> None:
        """Nothing, where the run has ended and may be resumed.

        Raises:
            ConflictError: It goes on.
        """
        if not self.status.is_final:
            raise ConflictError(
                N_("Evaluation run {run_id!r} is {status}: there is nothing to resume."),
                hint=N_("Cancel it first, or wait: a run whose driver died is noticed after 90 seconds."),
                reason="evaluation.not_resumable",
                run_id=self.run_id,
                status=str(self.status),
            )

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
    cluster: str = ""
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
    cluster: str | None = None
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
    mlflow_run_id: str | None = None
    spec: Mapping[str, Any] | None = None
    calls: CallSums | None = None
    attempt: int | None = None
    """Which attempt says so; None: whichever is the latest."""


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
class RunPage:
    """Runs, newest first."""

    items: tuple[EvaluationRun, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Row results of a run, in the order of their ids."""

    items: tuple[RowResult, ...]
    total: int
    """Rows that match, on all pages."""

    next: str | None = None
