"""The dialects put together: one table from an attribute's name to what it says, and words to words.

The order inside an entry is the order of trust: the first name that is present wins. A schema address is never asked:
published packages send wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiplatform.tracing.dialects import DIALECTS, Field
from aiplatform.tracing.model import SpanKind

__all__ = [
    "ALIASES",
    "COLUMN_FIELDS",
    "COLUMN_FIELD_OF",
    "CONTENT_EVENTS",
    "FIELD_OF",
    "INDEXED_DOCUMENTS",
    "INDEXED_MESSAGES",
    "KIND_ORDER",
    "KIND_WORDS",
    "MESSAGE_EVENTS",
    "METADATA_PREFIXES",
    "OPERATION_OF_KIND",
    "PARAMETER_PREFIXES",
    "PROJECT_RESOURCE_KEYS",
    "TAG_PREFIXES",
    "Field",
    "finish_reason",
    "provider_name",
    "provider_of_format",
]

ALIASES: Final[Mapping[Field, tuple[str, ...]]] = {
    field: tuple(dict.fromkeys(name for dialect in DIALECTS for name in dialect.names.get(field, ())))
    for field in Field
}

FIELD_OF: Final[Mapping[str, tuple[Field, int]]] = {
    name: (field, rank) for field, names in ALIASES.items() for rank, name in enumerate(names)
}
"""Attribute name -> what it says, and how far down the order of trust it stands."""

COLUMN_FIELDS: Final = frozenset(
    {
        Field.OPERATION,
        Field.PROVIDER,
        Field.REQUEST_MODEL,
        Field.RESPONSE_MODEL,
        Field.MODEL,
        Field.INPUT_TOKENS,
        Field.OUTPUT_TOKENS,
        Field.CACHE_READ_TOKENS,
        Field.CACHE_WRITE_TOKENS,
        Field.REASONING_TOKENS,
        Field.USAGE,
        Field.USAGE_DETAILS,
        Field.INPUT_DETAILS,
        Field.OUTPUT_DETAILS,
        Field.MESSAGE_FORMAT,
        Field.COST,
        Field.COST_INPUT,
        Field.COST_OUTPUT,
        Field.COST_DETAILS,
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
        Field.KIND_VERCEL,
        Field.KIND_REQUEST,
    }
)
"""What the write path looks at; everything else waits in the raw span until somebody asks."""

COLUMN_FIELD_OF: Final = {name: found for name, found in FIELD_OF.items() if found[0] in COLUMN_FIELDS}

INDEXED_MESSAGES: Final[Mapping[Field, tuple[str, ...]]] = {
    field: tuple(prefix for dialect in DIALECTS[1:] for prefix in dialect.indexed_messages.get(field, ()))
    + DIALECTS[0].indexed_messages[field]
    for field in (Field.INPUT_MESSAGES, Field.OUTPUT_MESSAGES)
}
"""Prefixes of messages that are flattened into one attribute a value. OpenTelemetry's are its oldest and come last."""

INDEXED_DOCUMENTS: Final = tuple(prefix for dialect in DIALECTS for prefix in dialect.indexed_documents)
METADATA_PREFIXES: Final = tuple(prefix for dialect in DIALECTS for prefix in dialect.metadata_prefixes)
PARAMETER_PREFIXES: Final = tuple(prefix for dialect in DIALECTS for prefix in dialect.parameter_prefixes)
TAG_PREFIXES: Final = tuple(prefix for dialect in DIALECTS for prefix in dialect.tag_prefixes)

KIND_WORDS: Final[Mapping[Field, Mapping[str, SpanKind]]] = {
    field: words for dialect in DIALECTS for field, words in dialect.kinds.items()
}
"""Word of an emitter (in lower case) -> our kind."""

KIND_ORDER: Final = (
    Field.KIND_OPENINFERENCE,
    Field.KIND_MLFLOW,
    Field.KIND_LANGSMITH,  # calls a retriever's operation `embeddings`
    Field.OPERATION,
    Field.KIND_LANGFUSE,
    Field.KIND_TRACELOOP,
    Field.KIND_VERCEL,
    Field.KIND_REQUEST,
)
"""The most telling sources come first: an emitter that names a kind outright is believed before one that names an
operation, and OpenTelemetry's operations before the coarse rest."""

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

PROVIDER_NAMES: Final[Mapping[str, str]] = {
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "dashscope": "alibaba",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "google_genai": "gcp.gen_ai",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "qwen": "alibaba",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Dialects of one name; every other word stays as it came, in lower case."""

_PLAIN_PROVIDERS: Final = frozenset({"anthropic", "cohere", "deepseek", "groq", "openai", "perplexity"})

FINISH_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "function_call": "tool_calls",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content-filter": "content_filter",
    "stop_sequence": "stop",
    "tool-calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
}
"""Dialects of one reason; every other word stays as it came."""

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

PROJECT_RESOURCE_KEYS: Final = ("aiplatform.project", "openinference.project.name")
"""Resource attributes that choose a project inside the caller's tenant, where the key and the header leave it open."""


def provider_name(word: str) -> str:
    """OpenTelemetry's name of a provider, from whatever an emitter calls it: `openai.chat` of Vercel is `openai`."""
    lowered = word.strip().lower()
    known = PROVIDER_NAMES.get(lowered)
    if known is not None:
        return known
    head = lowered.partition(".")[0]
    if head != lowered and (head in _PLAIN_PROVIDERS or head in PROVIDER_NAMES):
        return PROVIDER_NAMES.get(head, head)
    return lowered


def provider_of_format(word: str) -> str | None:
    """The provider in whose format messages are, where a format is one provider's own."""
    name = provider_name(word)
    return name if name in _PLAIN_PROVIDERS or name in PROVIDER_NAMES.values() else None


def finish_reason(word: str) -> str:
    """OpenAI's word for why a model stopped, where an emitter's means the same."""
    lowered = word.lower()
    return FINISH_REASONS.get(lowered, lowered if lowered in {"stop", "length"} else word)
