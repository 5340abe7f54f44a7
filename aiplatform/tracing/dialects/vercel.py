"""The Vercel AI SDK: `ai.*`, an outer span for the call and one inside for each request to a model.

Source: its telemetry page, AI SDK 5. Model and tokens stand on both spans; only the inner one is a call to a model.
"""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import Dialect, Field
from aiplatform.tracing.model import SpanKind

_OUTER: Final = ("ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject", "ai.embed", "ai.embedmany")

DIALECT: Final = Dialect(
    name="vercel",
    marks=("ai.",),
    names={
        Field.PROVIDER: ("ai.model.provider",),
        Field.REQUEST_MODEL: ("ai.model.id",),
        Field.RESPONSE_MODEL: ("ai.response.model",),
        Field.RESPONSE_ID: ("ai.response.id",),
        Field.INPUT_TOKENS: ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        Field.OUTPUT_TOKENS: ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        Field.CACHE_READ_TOKENS: ("ai.usage.cachedInputTokens",),
        Field.REASONING_TOKENS: ("ai.usage.reasoningTokens",),
        Field.FINISH_REASONS: ("ai.response.finishReason",),
        Field.FIRST_CHUNK_MS: ("ai.response.msToFirstChunk",),
        Field.SESSION: ("ai.telemetry.metadata.sessionId",),
        Field.USER: ("ai.telemetry.metadata.userId",),
        Field.TAGS: ("ai.telemetry.metadata.tags",),
        Field.INPUT: ("ai.prompt", "ai.value"),
        Field.OUTPUT: ("ai.response.text", "ai.response.object"),
        Field.INPUT_MESSAGES: ("ai.prompt.messages",),
        Field.TOOL_DEFINITIONS: ("ai.prompt.tools",),
        Field.TOOL_CALLS: ("ai.response.toolCalls",),
        Field.TOOL_NAME: ("ai.toolCall.name",),
        Field.TOOL_CALL_ID: ("ai.toolCall.id",),
        Field.TOOL_ARGUMENTS: ("ai.toolCall.args",),
        Field.TOOL_RESULT: ("ai.toolCall.result",),
        Field.KIND_VERCEL: ("ai.operationId",),
    },
    kinds={
        Field.KIND_VERCEL: {
            **dict.fromkeys(_OUTER, SpanKind.CHAIN),
            **{f"{name}.{inner}": SpanKind.LLM for name in _OUTER for inner in ("dogenerate", "dostream")},
            **{f"{name}.doembed": SpanKind.EMBEDDING for name in _OUTER},
            "ai.toolcall": SpanKind.TOOL,
        }
    },
    metadata_prefixes=("ai.telemetry.metadata.",),
    parameter_prefixes=("ai.settings.",),
)
