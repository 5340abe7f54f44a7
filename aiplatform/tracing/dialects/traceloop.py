"""Traceloop (OpenLLMetry): decorators in its own words, model calls in `gen_ai.*` and the older `llm.*`.

Source: `opentelemetry-semantic-conventions-ai` 0.5.1.
"""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import COMMON_KINDS, Dialect, Field
from aiplatform.tracing.model import SpanKind

DIALECT: Final = Dialect(
    name="traceloop",
    marks=("traceloop.", "llm.request.type", "llm.usage.", "gen_ai.is_streaming", "gen_ai.openai.api_base"),
    names={
        Field.REQUEST_MODEL: ("llm.request.model",),
        Field.RESPONSE_ID: ("llm.response.id",),
        Field.INPUT_TOKENS: ("llm.usage.prompt_tokens",),
        Field.OUTPUT_TOKENS: ("llm.usage.completion_tokens",),
        Field.REASONING_TOKENS: ("llm.usage.reasoning_tokens",),
        Field.FINISH_REASONS: ("llm.response.finish_reason",),
        Field.SESSION: ("traceloop.association.properties.session_id",),
        Field.USER: ("traceloop.association.properties.user_id",),
        Field.INPUT: ("traceloop.entity.input",),
        Field.OUTPUT: ("traceloop.entity.output",),
        Field.ENTITY_NAME: ("traceloop.entity.name",),
        Field.PROMPT_NAME: ("traceloop.prompt.key",),
        Field.PROMPT_VERSION: ("traceloop.prompt.version",),
        Field.KIND_TRACELOOP: ("traceloop.span.kind",),
        Field.KIND_REQUEST: ("llm.request.type",),
    },
    kinds={
        Field.KIND_TRACELOOP: COMMON_KINDS,
        Field.KIND_REQUEST: {**COMMON_KINDS, "rerank": SpanKind.RERANKER},
    },
    metadata_prefixes=("traceloop.association.properties.",),
)
