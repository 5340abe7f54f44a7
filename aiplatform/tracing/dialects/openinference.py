"""OpenInference (Arize): lists are flattened into indexed attributes. Source: its semantic conventions 0.1.42."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import COMMON_KINDS, Dialect, Field

DIALECT: Final = Dialect(
    name="openinference",
    marks=("openinference.",),
    names={
        Field.PROVIDER: ("llm.provider", "llm.system"),
        Field.REQUEST_MODEL: ("llm.request.model_name",),
        Field.MODEL: ("llm.model_name", "embedding.model_name", "reranker.model_name"),
        Field.RESPONSE_MODEL: ("llm.response.model_name",),
        Field.INPUT_TOKENS: ("llm.token_count.prompt",),
        Field.OUTPUT_TOKENS: ("llm.token_count.completion",),
        Field.CACHE_READ_TOKENS: (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        Field.CACHE_WRITE_TOKENS: ("llm.token_count.prompt_details.cache_write",),
        Field.REASONING_TOKENS: ("llm.token_count.completion_details.reasoning",),
        Field.COST: ("llm.cost.total",),
        Field.COST_INPUT: ("llm.cost.prompt",),
        Field.COST_OUTPUT: ("llm.cost.completion",),
        Field.FINISH_REASONS: ("llm.finish_reason",),
        Field.TAGS: ("tag.tags",),
        Field.METADATA: ("metadata",),
        Field.PARAMETERS: ("llm.invocation_parameters", "embedding.invocation_parameters"),
        Field.INPUT: ("input.value",),
        Field.OUTPUT: ("output.value",),
        Field.TOOL_NAME: ("tool.name",),
        Field.TOOL_CALL_ID: ("tool.id",),
        Field.TOOL_ARGUMENTS: ("tool.parameters",),
        Field.QUERY: ("reranker.query",),
        Field.PROMPT_NAME: ("prompt.id",),
        Field.PROMPT_VERSION: ("llm.prompt_template.version",),
        Field.KIND_OPENINFERENCE: ("openinference.span.kind",),
    },
    kinds={Field.KIND_OPENINFERENCE: COMMON_KINDS},
    indexed_messages={
        Field.INPUT_MESSAGES: ("llm.input_messages.",),
        Field.OUTPUT_MESSAGES: ("llm.output_messages.",),
    },
    indexed_documents=("retrieval.documents.", "reranker.output_documents."),
)
