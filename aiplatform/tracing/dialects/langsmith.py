"""LangSmith's OpenTelemetry export: its own words beside `gen_ai.*`. Source: `langsmith._internal.otel`, 0.15.0."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import COMMON_KINDS, Dialect, Field

DIALECT: Final = Dialect(
    name="langsmith",
    marks=("langsmith.",),
    names={
        Field.INPUT_DETAILS: ("gen_ai.usage.input_token_details",),
        Field.OUTPUT_DETAILS: ("gen_ai.usage.output_token_details",),
        # `langsmith.trace.session_id` names what LangSmith calls a project as well: its threads come first.
        Field.SESSION: (
            "langsmith.metadata.session_id",
            "langsmith.metadata.thread_id",
            "langsmith.metadata.conversation_id",
            "langsmith.trace.session_id",
        ),
        Field.USER: ("langsmith.metadata.user_id",),
        Field.TAGS: ("langsmith.span.tags",),
        Field.KIND_LANGSMITH: ("langsmith.span.kind",),
    },
    kinds={Field.KIND_LANGSMITH: COMMON_KINDS},
    metadata_prefixes=("langsmith.metadata.",),
)
