"""Google's Agent Development Kit: requests and answers as JSON beside `gen_ai.*`."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import Dialect, Field

DIALECT: Final = Dialect(
    name="google-adk",
    marks=("gcp.vertex.agent.",),
    names={
        Field.SESSION: ("gcp.vertex.agent.session_id",),
        Field.INPUT: ("gcp.vertex.agent.llm_request",),
        Field.OUTPUT: ("gcp.vertex.agent.llm_response",),
        Field.TOOL_ARGUMENTS: ("gcp.vertex.agent.tool_call_args",),
        Field.TOOL_RESULT: ("gcp.vertex.agent.tool_response",),
    },
)
