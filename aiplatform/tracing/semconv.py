"""Every name that emitters use for the same thing, as tables.

The order inside an entry is the order of trust: the first name that is present wins. Names are those of OpenTelemetry's
GenAI conventions (current and deprecated), OpenInference, MLflow, Langfuse, Traceloop, LangSmith, Logfire and the
Vercel AI SDK. A schema address is never asked: published packages send wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aiplatform.tracing.model import SpanKind


class Field(StrEnum):
    """What a single attribute can say."""

    OPERATION = "operation"
    PROVIDER = "provider"
    REQUEST_MODEL = "request_model"
    RESPONSE_MODEL = "response_model"
    RESPONSE_ID = "response_id"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CACHE_READ_TOKENS = "cache_read_tokens"
    CACHE_WRITE_TOKENS = "cache_write_tokens"
    REASONING_TOKENS = "reasoning_tokens"
    USAGE = "usage"
    """A mapping of counts, as JSON."""

    FINISH_REASONS = "finish_reasons"
    FIRST_CHUNK = "first_chunk"
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
    DOCUMENTS = "documents"
    QUERY = "query"
    PROMPT_NAME = "prompt_name"
    PROMPT_VERSION = "prompt_version"
    ERROR_TYPE = "error_type"
    ERROR_MESSAGE = "error_message"
    KIND_OPENINFERENCE = "kind_openinference"
    KIND_MLFLOW = "kind_mlflow"
    KIND_LANGFUSE = "kind_langfuse"
    KIND_TRACELOOP = "kind_traceloop"
    KIND_LANGSMITH = "kind_langsmith"
    KIND_REQUEST = "kind_request"
    LEVEL = "level"


ALIASES: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.OPERATION: ("gen_ai.operation.name",),
    Field.PROVIDER: (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "mlflow.llm.provider",
        "ai.model.provider",
    ),
    Field.REQUEST_MODEL: (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "langfuse.observation.model.name",
        "mlflow.llm.model",
        "ai.model.id",
        "embedding.model_name",
        "reranker.model_name",
        "llm.request.model",
    ),
    Field.RESPONSE_MODEL: ("gen_ai.response.model", "llm.response.model_name", "ai.response.model"),
    Field.RESPONSE_ID: ("gen_ai.response.id", "llm.response.id", "ai.response.id"),
    Field.INPUT_TOKENS: (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
    ),
    Field.OUTPUT_TOKENS: (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    Field.CACHE_READ_TOKENS: (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
    ),
    Field.CACHE_WRITE_TOKENS: (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "llm.token_count.prompt_details.cache_write",
    ),
    Field.REASONING_TOKENS: (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    Field.USAGE: ("mlflow.chat.tokenUsage", "langfuse.observation.usage_details"),
    Field.FINISH_REASONS: (
        "gen_ai.response.finish_reasons",
        "llm.finish_reason",
        "llm.response.finish_reason",
        "ai.response.finishReason",
    ),
    Field.FIRST_CHUNK: ("gen_ai.response.time_to_first_chunk",),
    Field.SESSION: (
        "session.id",
        "gen_ai.conversation.id",
        "langfuse.session.id",
        "langsmith.trace.session_id",
        "mlflow.trace.session",
        "traceloop.association.properties.session_id",
    ),
    Field.USER: (
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "mlflow.trace.user",
        "gen_ai.user",
        "traceloop.association.properties.user_id",
    ),
    Field.TAGS: ("tag.tags", "langfuse.trace.tags", "langsmith.span.tags", "logfire.tags"),
    Field.METADATA: ("metadata",),
    Field.PARAMETERS: ("llm.invocation_parameters", "langfuse.observation.model.parameters"),
    Field.INPUT: (
        "input.value",
        "mlflow.spanInputs",
        "langfuse.observation.input",
        "traceloop.entity.input",
        "langfuse.trace.input",
        "ai.prompt",
        "gcp.vertex.agent.llm_request",
    ),
    Field.OUTPUT: (
        "output.value",
        "mlflow.spanOutputs",
        "langfuse.observation.output",
        "traceloop.entity.output",
        "langfuse.trace.output",
        "ai.response.text",
        "gcp.vertex.agent.llm_response",
    ),
    Field.INPUT_MESSAGES: (
        "gen_ai.input.messages",
        "gen_ai.prompt",
        "ai.prompt.messages",
        "pydantic_ai.all_messages",
        "all_messages_events",
    ),
    Field.OUTPUT_MESSAGES: ("gen_ai.output.messages", "gen_ai.completion"),
    Field.SYSTEM: ("gen_ai.system_instructions",),
    Field.TOOL_DEFINITIONS: ("gen_ai.tool.definitions", "mlflow.chat.tools"),
    Field.TOOL_NAME: ("gen_ai.tool.name", "tool.name", "ai.toolCall.name"),
    Field.TOOL_CALL_ID: ("gen_ai.tool.call.id", "tool.id", "ai.toolCall.id"),
    Field.TOOL_ARGUMENTS: ("gen_ai.tool.call.arguments", "tool.parameters", "ai.toolCall.args"),
    Field.TOOL_RESULT: ("gen_ai.tool.call.result", "ai.toolCall.result"),
    Field.DOCUMENTS: ("gen_ai.retrieval.documents",),
    Field.QUERY: ("gen_ai.retrieval.query.text", "reranker.query"),
    Field.PROMPT_NAME: ("gen_ai.prompt.name", "langfuse.observation.prompt.name", "traceloop.prompt.key"),
    Field.PROMPT_VERSION: (
        "gen_ai.prompt.version",
        "langfuse.observation.prompt.version",
        "llm.prompt_template.version",
        "traceloop.prompt.version",
    ),
    Field.ERROR_TYPE: ("error.type", "exception.type"),
    Field.ERROR_MESSAGE: ("error.message", "exception.message", "langfuse.observation.status_message"),
    Field.KIND_OPENINFERENCE: ("openinference.span.kind",),
    Field.KIND_MLFLOW: ("mlflow.spanType",),
    Field.KIND_LANGFUSE: ("langfuse.observation.type",),
    Field.KIND_TRACELOOP: ("traceloop.span.kind",),
    Field.KIND_LANGSMITH: ("langsmith.span.kind",),
    Field.KIND_REQUEST: ("llm.request.type",),
    Field.LEVEL: ("langfuse.observation.level",),
}

FIELD_OF: Final[Mapping[str, tuple[Field, int]]] = {
    name: (field, rank) for field, names in ALIASES.items() for rank, name in enumerate(names)
}
"""Attribute name -> what it says, and how far down the order of trust it stands."""

COLUMN_FIELDS: Final = frozenset(
    {
        Field.OPERATION,
        Field.REQUEST_MODEL,
        Field.RESPONSE_MODEL,
        Field.INPUT_TOKENS,
        Field.OUTPUT_TOKENS,
        Field.CACHE_READ_TOKENS,
        Field.CACHE_WRITE_TOKENS,
        Field.REASONING_TOKENS,
        Field.USAGE,
        Field.SESSION,
        Field.USER,
        Field.ERROR_TYPE,
        Field.ERROR_MESSAGE,
        Field.LEVEL,
        Field.TOOL_NAME,
        Field.KIND_OPENINFERENCE,
        Field.KIND_MLFLOW,
        Field.KIND_LANGFUSE,
        Field.KIND_TRACELOOP,
        Field.KIND_LANGSMITH,
        Field.KIND_REQUEST,
    }
)
"""What the write path looks at; everything else waits in the raw span until somebody asks."""

COLUMN_FIELD_OF: Final = {name: found for name, found in FIELD_OF.items() if found[0] in COLUMN_FIELDS}

INDEXED_MESSAGES: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.INPUT_MESSAGES: ("llm.input_messages.", "gen_ai.prompt."),
    Field.OUTPUT_MESSAGES: ("llm.output_messages.", "gen_ai.completion."),
}
"""Prefixes of messages that are flattened into one attribute a value: `llm.input_messages.0.message.role`."""

INDEXED_DOCUMENTS: Final = ("retrieval.documents.", "reranker.output_documents.")

METADATA_PREFIXES: Final = (
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "langsmith.metadata.",
    "traceloop.association.properties.",
)
PARAMETER_PREFIXES: Final = ("gen_ai.request.", "gen_ai.openai.request.", "openai.request.")
TAG_PREFIXES: Final = ("mlflow.traceTag.",)

USAGE_KEYS: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.INPUT_TOKENS: ("input_tokens", "prompt_tokens", "input", "promptTokens"),
    Field.OUTPUT_TOKENS: ("output_tokens", "completion_tokens", "output", "completionTokens"),
    Field.CACHE_READ_TOKENS: ("cache_read_input_tokens", "input_cached_tokens", "cache_read_tokens"),
    Field.CACHE_WRITE_TOKENS: ("cache_creation_input_tokens", "cache_write_input_tokens", "cache_write_tokens"),
    Field.REASONING_TOKENS: ("reasoning_tokens", "output_reasoning_tokens"),
}
"""Keys inside a mapping of counts."""

PROVIDER_NAMES: Final[Mapping[str, str]] = {
    "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "xai": "x_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
}

FINISH_REASONS: Final[Mapping[str, str]] = {"tool_call": "tool_calls", "end_turn": "stop", "max_tokens": "length"}
"""Dialects of one reason; every other word stays as it came."""

_OPERATIONS: Final[Mapping[SpanKind, tuple[str, ...]]] = {
    SpanKind.LLM: ("chat", "generate_content", "text_completion", "completion", "fetch_response"),
    SpanKind.EMBEDDING: ("embeddings", "embedding"),
    SpanKind.TOOL: ("execute_tool",),
    SpanKind.AGENT: ("create_agent", "invoke_agent"),
    SpanKind.CHAIN: ("invoke_workflow",),
    SpanKind.RETRIEVER: ("retrieval",),
    SpanKind.RERANKER: ("rerank",),
    SpanKind.PLAN: ("plan",),
    SpanKind.MEMORY: (
        "search_memory",
        "create_memory",
        "update_memory",
        "upsert_memory",
        "delete_memory",
        "create_memory_store",
        "delete_memory_store",
    ),
}
_SAME_WORD: Final = {kind.value: kind for kind in SpanKind}
_COMMON: Final[Mapping[str, SpanKind]] = {
    **_SAME_WORD,
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

KIND_WORDS: Final[Mapping[Field, Mapping[str, SpanKind]]] = {
    Field.OPERATION: {word: kind for kind, words in _OPERATIONS.items() for word in words},
    Field.KIND_OPENINFERENCE: _COMMON,
    Field.KIND_MLFLOW: _COMMON,
    Field.KIND_LANGFUSE: _COMMON,
    Field.KIND_TRACELOOP: _COMMON,
    Field.KIND_LANGSMITH: _COMMON,
    Field.KIND_REQUEST: {**_COMMON, "rerank": SpanKind.RERANKER},
}
"""Word of an emitter (in lower case) -> our kind. The most telling sources come first: an emitter that names a kind
outright is believed before one that names an operation, and OpenTelemetry's operations before the coarse rest."""

KIND_ORDER: Final = (
    Field.KIND_OPENINFERENCE,
    Field.KIND_MLFLOW,
    Field.OPERATION,
    Field.KIND_LANGFUSE,
    Field.KIND_TRACELOOP,
    Field.KIND_LANGSMITH,
    Field.KIND_REQUEST,
)

OPERATION_OF_KIND: Final[Mapping[SpanKind, str]] = {
    SpanKind.LLM: "chat",
    SpanKind.EMBEDDING: "embeddings",
    SpanKind.TOOL: "execute_tool",
    SpanKind.AGENT: "invoke_agent",
    SpanKind.CHAIN: "invoke_workflow",
    SpanKind.RETRIEVER: "retrieval",
    SpanKind.PLAN: "plan",
}
"""What our own SDK writes as `gen_ai.operation.name`, and what a span is taken to do where its emitter only names a
kind."""

PROJECT_RESOURCE_KEYS: Final = ("aiplatform.project", "openinference.project.name")
"""Resource attributes that choose a project inside the caller's tenant, where the key and the header leave it open."""

CONTENT_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "gen_ai.content.prompt": ("gen_ai.prompt", "input"),
    "gen_ai.content.completion": ("gen_ai.completion", "output"),
}
"""Span events that carry content: event name -> (attribute, side)."""

MESSAGE_EVENTS: Final[Mapping[str, str]] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
"""Span events that are one message each: event name -> role."""
