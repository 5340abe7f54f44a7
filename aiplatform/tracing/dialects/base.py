"""What a dialect is, and what a single attribute can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiplatform.tracing.model import SpanKind


class Field(StrEnum):
    """What a single attribute can say."""

    OPERATION = "operation"
    PROVIDER = "provider"
    REQUEST_MODEL = "request_model"
    RESPONSE_MODEL = "response_model"
    MODEL = "model"
    """A model of which it is not said whether it was asked for or answered: mostly the one that answered."""

    RESPONSE_ID = "response_id"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CACHE_READ_TOKENS = "cache_read_tokens"
    CACHE_WRITE_TOKENS = "cache_write_tokens"
    REASONING_TOKENS = "reasoning_tokens"
    USAGE = "usage"
    """A mapping of counts, as JSON, whose input includes what a cache served."""

    USAGE_DETAILS = "usage_details"
    """A mapping of counts, as JSON, in which every token is counted under one key."""

    INPUT_DETAILS = "input_details"
    """Parts of the input, as JSON or as Python writes a dictionary."""

    OUTPUT_DETAILS = "output_details"
    MESSAGE_FORMAT = "message_format"
    """Whose API the counts and messages were copied from."""

    COST = "cost"
    COST_INPUT = "cost_input"
    COST_OUTPUT = "cost_output"
    COST_DETAILS = "cost_details"
    """A mapping of amounts, as JSON."""

    FINISH_REASONS = "finish_reasons"
    FIRST_CHUNK = "first_chunk"
    """Seconds until the first piece of a stream."""

    FIRST_CHUNK_MS = "first_chunk_ms"
    FIRST_CHUNK_AT = "first_chunk_at"
    """The moment of the first piece, as ISO 8601."""

    SESSION = "session"
    USER = "user"
    TAGS = "tags"
    METADATA = "metadata"
    PARAMETERS = "parameters"
    """A mapping of request parameters, as JSON."""

    INPUT = "input"
    OUTPUT = "output"
    INPUT_MESSAGES = "input_messages"
    OUTPUT_MESSAGES = "output_messages"
    SYSTEM = "system"
    TOOL_DEFINITIONS = "tool_definitions"
    TOOL_NAME = "tool_name"
    TOOL_CALL_ID = "tool_call_id"
    TOOL_ARGUMENTS = "tool_arguments"
    TOOL_RESULT = "tool_result"
    TOOL_CALLS = "tool_calls"
    """Calls that a model asked for, where they stand apart from its message."""

    ENTITY_NAME = "entity_name"
    """Name of the function that a decorator stands on."""

    DOCUMENTS = "documents"
    QUERY = "query"
    PROMPT_NAME = "prompt_name"
    PROMPT_VERSION = "prompt_version"
    PROMPTS = "prompts"
    """A list of names and versions, as JSON."""

    ERROR_TYPE = "error_type"
    ERROR_MESSAGE = "error_message"
    KIND_OPENINFERENCE = "kind_openinference"
    KIND_MLFLOW = "kind_mlflow"
    KIND_LANGFUSE = "kind_langfuse"
    KIND_TRACELOOP = "kind_traceloop"
    KIND_LANGSMITH = "kind_langsmith"
    KIND_VERCEL = "kind_vercel"
    KIND_REQUEST = "kind_request"
    LEVEL = "level"


COMMON_KINDS: Mapping[str, SpanKind] = {
    **{kind.value: kind for kind in SpanKind},
    "generation": SpanKind.LLM,
    "chat_model": SpanKind.LLM,
    "chat": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "workflow": SpanKind.CHAIN,
    "task": SpanKind.CHAIN,
    "unknown": SpanKind.OTHER,
    "parser": SpanKind.OTHER,
    "event": SpanKind.OTHER,
    "span": SpanKind.OTHER,
}
"""Words that mean the same wherever a dialect uses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One vocabulary: under which names it says what."""

    name: str
    marks: tuple[str, ...]
    """How names begin that only this dialect uses."""

    names: Mapping[Field, tuple[str, ...]]
    """Of several names for one thing the first that is present is believed."""

    kinds: Mapping[Field, Mapping[str, SpanKind]] = field(default_factory=dict)
    """For each field that tells a span's kind: its words, in lower case."""

    indexed_messages: Mapping[Field, tuple[str, ...]] = field(default_factory=dict)
    """Prefixes of messages that are flattened into one attribute a value: `llm.input_messages.0.message.role`."""

    indexed_documents: tuple[str, ...] = ()
    metadata_prefixes: tuple[str, ...] = ()
    parameter_prefixes: tuple[str, ...] = ()
    tag_prefixes: tuple[str, ...] = ()
