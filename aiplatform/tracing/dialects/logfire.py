"""Logfire and Pydantic AI: `gen_ai.*` with some names of their own. Source: Logfire 5.4.0."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import Dialect, Field

DIALECT: Final = Dialect(
    name="logfire",
    marks=("logfire.", "pydantic_ai."),
    names={
        Field.COST: ("operation.cost",),
        Field.TAGS: ("logfire.tags",),
        Field.INPUT_MESSAGES: ("pydantic_ai.all_messages", "all_messages_events"),
        Field.OUTPUT: ("final_result",),
        Field.TOOL_ARGUMENTS: ("tool_arguments",),
        Field.TOOL_RESULT: ("tool_response",),
    },
)
