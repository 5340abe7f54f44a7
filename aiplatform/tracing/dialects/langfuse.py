"""Langfuse: observations, with values as JSON text. Source: `langfuse._client.attributes`, 5.0.4."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import COMMON_KINDS, Dialect, Field

DIALECT: Final = Dialect(
    name="langfuse",
    marks=("langfuse.",),
    names={
        Field.MODEL: ("langfuse.observation.model.name",),
        Field.FINISH_REASONS: ("langfuse.observation.metadata.finish_reason",),
        Field.USAGE_DETAILS: ("langfuse.observation.usage_details",),
        Field.COST_DETAILS: ("langfuse.observation.cost_details",),
        Field.FIRST_CHUNK_AT: ("langfuse.observation.completion_start_time",),
        Field.SESSION: ("langfuse.session.id",),
        Field.USER: ("langfuse.user.id",),
        Field.TAGS: ("langfuse.trace.tags",),
        Field.PARAMETERS: ("langfuse.observation.model.parameters",),
        Field.INPUT: ("langfuse.observation.input", "langfuse.trace.input"),
        Field.OUTPUT: ("langfuse.observation.output", "langfuse.trace.output"),
        Field.PROMPT_NAME: ("langfuse.observation.prompt.name",),
        Field.PROMPT_VERSION: ("langfuse.observation.prompt.version",),
        Field.ERROR_MESSAGE: ("langfuse.observation.status_message",),
        Field.KIND_LANGFUSE: ("langfuse.observation.type",),
        Field.LEVEL: ("langfuse.observation.level",),
    },
    kinds={Field.KIND_LANGFUSE: COMMON_KINDS},
    metadata_prefixes=("langfuse.trace.metadata.", "langfuse.observation.metadata."),
)
