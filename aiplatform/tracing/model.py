"""The field's own words as frozen values: spans, traces, sessions, scores, and what one span says about an LLM call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.content_model import Message, Passage, ToolCall

if TYPE_CHECKING:
    from aiplatform.tracing.mlflow_filter import Condition
    from aiplatform.tracing.query.tree import Node

DAY_NS: Final = 86_400 * 1_000_000_000
PREVIEW_CHARACTERS: Final = 300


class SpanKind(StrEnum):
    """What a span does, whatever its emitter calls it."""

    LLM = "llm"
    EMBEDDING = "embedding"
    TOOL = "tool"
    AGENT = "agent"
    CHAIN = "chain"
    RETRIEVER = "retriever"
    RERANKER = "reranker"
    GUARDRAIL = "guardrail"
    EVALUATOR = "evaluator"
    MEMORY = "memory"
    PLAN = "plan"
    DECISION = "decision"
    PROMPT = "prompt"
    OTHER = "other"


KIND_NAMES: Final = {
    SpanKind.LLM: N_("LLM"),
    SpanKind.EMBEDDING: N_("Embedding"),
    SpanKind.TOOL: N_("Tool"),
    SpanKind.AGENT: N_("Agent"),
    SpanKind.CHAIN: N_("Chain"),
    SpanKind.RETRIEVER: N_("Retriever"),
    SpanKind.RERANKER: N_("Reranker"),
    SpanKind.GUARDRAIL: N_("Guardrail"),
    SpanKind.EVALUATOR: N_("Evaluator"),
    SpanKind.MEMORY: N_("Memory"),
    SpanKind.PLAN: N_("Plan"),
    SpanKind.DECISION: N_("Decision"),
    SpanKind.PROMPT: N_("Prompt"),
    SpanKind.OTHER: N_("Span"),
}


class Status(StrEnum):
    """How a span or trace ended."""

    OK = "ok"
    ERROR = "error"
    RUNNING = "running"
    """Begun, and its end has not arrived."""


STATUS_NAMES: Final = {Status.OK: N_("OK"), Status.ERROR: N_("Error"), Status.RUNNING: N_("Running")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, or of a whole trace. None means that nobody said; it is never 0 instead."""

    input_tokens: int | None = None
    """All of the prompt, tokens read from a cache included."""

    output_tokens: int | None = None
    """All of the answer, reasoning included."""

    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None where neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def is_known(self) -> bool:
        """Whether the emitter said anything."""
        return self.input_tokens is not None or self.output_tokens is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """Something that happened inside a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLink:
    """A span of another trace that this one belongs to as well."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """A span as the tree and the waterfall draw it: structure and figures, no payload."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    status: Status
    start_ns: int
    duration_ns: int | None
    """None while it runs."""

    model: str | None = None
    usage: Usage = Usage()
    cost: float | None = None
    """What it cost, in `currency`; None where no price is known. It is never 0 instead."""

    currency: str | None = None
    """ISO 4217: `USD`, `CNY`, `EUR`."""

    error: str | None = None
    """The first line of what went wrong."""

    service: str | None = None
    day: int = 0
    """Days since 1970 of the start: with it the store opens one partition."""

    depth: int = 0
    """Levels below the root; filled in where rows stand in a tree."""

    num_children: int = 0
    num_descendants: int = 0

    @property
    def end_ns(self) -> int | None:
        """When it ended; None while it runs."""
        return None if self.duration_ns is None else self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanDetail:
    """Everything that one span says, in one vocabulary, and the raw attributes beside it."""

    row: SpanRow
    dialect: str | None = None
    """Whose vocabulary it is written in: `openinference`, `langfuse`, …"""

    operation: str | None = None
    """OpenTelemetry's word: `chat`, `embeddings`, `execute_tool`, …"""

    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Temperature, limits and the like, by OpenTelemetry's short names."""

    input: Any = None
    """What went in, decoded from JSON where it was; messages are in `input_messages`."""

    output: Any = None
    input_messages: Sequence[Message] = ()
    output_messages: Sequence[Message] = ()
    tool_definitions: Sequence[Any] = ()
    tool_call: ToolCall | None = None
    passages: Sequence[Passage] = ()
    usage: Usage = Usage()
    finish_reasons: Sequence[str] = ()
    time_to_first_chunk_ns: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_stack: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    prompt_name: str | None = None
    prompt_version: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """As the emitter wrote them, decoded lazily from the raw span."""

    resource: Mapping[str, Any] = field(default_factory=dict)
    scope_name: str | None = None
    scope_version: str | None = None
    events: Sequence[SpanEvent] = ()
    links: Sequence[SpanLink] = ()
    num_dropped_attributes: int = 0
    """Attributes that the emitter's SDK threw away (its limit is 128 by default)."""


class ScoreSource(StrEnum):
    """Who judged."""

    HUMAN = "human"
    CODE = "code"
    JUDGE = "judge"


SCORE_SOURCE_NAMES: Final = {
    ScoreSource.HUMAN: N_("Human"),
    ScoreSource.CODE: N_("Code"),
    ScoreSource.JUDGE: N_("Judge"),
}

ScoreValue = bool | float | str


class ScoreType(StrEnum):
    """What kind of value a score has."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    LABEL = "label"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A judgement about a trace, or about one span of it."""

    score_id: str
    trace_id: str
    span_id: str | None
    name: str
    type: ScoreType
    value: ScoreValue
    source: ScoreSource
    comment: str | None
    principal: str
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """One line of the list of traces."""

    trace_id: str
    project_id: str
    name: str | None
    """Name of the root span; of the earliest one while the root has not arrived."""

    status: Status
    start_ns: int
    duration_ns: int
    root_span_id: str | None
    has_root: bool
    num_spans: int
    num_errors: int
    usage: Usage
    """Summed over leaves: a parent that repeats its children's usage does not count twice."""

    cost: float | None
    """Summed likewise; None where no price is known, and where currencies are mixed."""

    currency: str | None
    costs: Mapping[str, float]
    """By currency, for traces that paid in several."""

    input_preview: str | None
    output_preview: str | None
    models: Sequence[str]
    service: str | None
    session_id: str | None
    user_id: str | None
    first_day: int
    last_day: int
    updated_ns: int
    is_cold: bool = False
    """Whether its spans lie in a file: they take longer to open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far the text index is behind the last write."""

    is_current: bool
    lag_s: float
    """Age of the oldest write that the index has not seen; 0 where there is none."""

    num_waiting_spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """A page of the list."""

    items: Sequence[TraceSummary]
    next: str | None
    """Token of the page that follows; None on the last one."""

    freshness: Freshness | None = None
    """Given where text was searched."""

    is_cut: bool = False
    """Whether a text matched so often that only its newest matches were considered."""

    reached_ns: int | None = None
    """Where a search in cold spans ended; None where it saw them all. `next` goes on from there, except where the
    slowest come first: those are the slowest of what began later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTree:
    """A trace with its spans in the order of the tree: each parent before its children, siblings by start."""

    summary: TraceSummary
    spans: Sequence[SpanRow]
    scores: Sequence[Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """What the list of traces is narrowed to. Empty fields narrow nothing; all others must hold."""

    text: str | None = None
    """Words that must all occur in some span's name, input, output or error; CJK text matches as a substring."""

    trace_id: str | None = None
    name: str | None = None
    status: Status | None = None
    kind: SpanKind | None = None
    model: str | None = None
    service: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    has_errors: bool | None = None
    from_ns: int | None = None
    """Only traces that started then or later."""

    to_ns: int | None = None
    """Only traces that started before."""

    min_duration_ns: int | None = None
    query: Node | None = None
    """All other conditions, as the query language's tree; see `tracing.query`."""

    mlflow: Sequence[Condition] = ()
    """Conditions of a `filter_string` of MLflow's; see `tracing.mlflow_filter`."""


class TraceSort(StrEnum):
    """Order of the list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SLOWEST = "slowest"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What became of one export request."""

    accepted: int
    """Spans stored now or known already."""

    rejected: int
    problem: str | None = None
    """Why spans were rejected, for the partial success."""
