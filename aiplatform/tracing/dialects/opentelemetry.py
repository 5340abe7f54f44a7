"""OpenTelemetry's conventions for generative AI: today's names, and every one that was in use before.

Source: semantic-conventions-genai (2026), and `gen_ai.*` of the core conventions up to 1.44, all of it deprecated.
"""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import Dialect, Field
from aiplatform.tracing.model import SpanKind

_OPERATIONS: Final = {
    SpanKind.LLM: ("chat", "generate_content", "text_completion", "completion", "fetch_response", "responses"),
    SpanKind.EMBEDDING: ("embeddings", "embedding"),
    SpanKind.TOOL: ("execute_tool",),
    SpanKind.AGENT: ("create_agent", "invoke_agent"),
    SpanKind.CHAIN: ("invoke_workflow",),
    SpanKind.RETRIEVER: ("retrieval",),
    SpanKind.RERANKER: ("rerank",),
    SpanKind.PLAN: ("plan",),
    SpanKind.GUARDRAIL: ("guardrail",),
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

DIALECT: Final = Dialect(
    name="opentelemetry",
    marks=("gen_ai.",),
    names={
        Field.OPERATION: ("gen_ai.operation.name",),
        Field.PROVIDER: ("gen_ai.provider.name", "gen_ai.system"),
        Field.REQUEST_MODEL: ("gen_ai.request.model",),
        Field.RESPONSE_MODEL: ("gen_ai.response.model",),
        Field.RESPONSE_ID: ("gen_ai.response.id",),
        Field.INPUT_TOKENS: ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        Field.OUTPUT_TOKENS: ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        Field.CACHE_READ_TOKENS: (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.cached_input_tokens",
            "gen_ai.usage.input_tokens.cached",
        ),
        Field.CACHE_WRITE_TOKENS: (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.input_tokens.cache_write",
        ),
        Field.REASONING_TOKENS: (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
        ),
        Field.COST: ("gen_ai.usage.cost",),
        Field.FINISH_REASONS: ("gen_ai.response.finish_reasons",),
        Field.FIRST_CHUNK: ("gen_ai.response.time_to_first_chunk",),
        Field.SESSION: ("session.id", "gen_ai.conversation.id"),
        Field.USER: ("user.id", "enduser.id", "gen_ai.user"),
        Field.INPUT_MESSAGES: ("gen_ai.input.messages", "gen_ai.prompt"),
        Field.OUTPUT_MESSAGES: ("gen_ai.output.messages", "gen_ai.completion"),
        Field.SYSTEM: ("gen_ai.system_instructions",),
        Field.TOOL_DEFINITIONS: ("gen_ai.tool.definitions",),
        Field.TOOL_NAME: ("gen_ai.tool.name",),
        Field.TOOL_CALL_ID: ("gen_ai.tool.call.id",),
        Field.TOOL_ARGUMENTS: ("gen_ai.tool.call.arguments",),
        Field.TOOL_RESULT: ("gen_ai.tool.call.result",),
        Field.DOCUMENTS: ("gen_ai.retrieval.documents", "gen_ai.memory.records"),
        Field.QUERY: ("gen_ai.retrieval.query.text", "gen_ai.memory.query.text"),
        Field.PROMPT_NAME: ("gen_ai.prompt.name",),
        Field.PROMPT_VERSION: ("gen_ai.prompt.version",),
        Field.ERROR_TYPE: ("error.type", "exception.type"),
        Field.ERROR_MESSAGE: ("error.message", "exception.message"),
    },
    kinds={Field.OPERATION: {word: kind for kind, words in _OPERATIONS.items() for word in words}},
    indexed_messages={Field.INPUT_MESSAGES: ("gen_ai.prompt.",), Field.OUTPUT_MESSAGES: ("gen_ai.completion.",)},
    parameter_prefixes=("gen_ai.request.", "gen_ai.openai.request.", "openai.request."),
)
