"""MLflow: every value is JSON, encoded once more on its way through OTLP. Source: `mlflow.tracing.constant`, 3.18."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.dialects.base import COMMON_KINDS, Dialect, Field

DIALECT: Final = Dialect(
    name="mlflow",
    marks=("mlflow.",),
    names={
        Field.PROVIDER: ("mlflow.llm.provider",),
        Field.MODEL: ("mlflow.llm.model",),
        Field.USAGE: ("mlflow.chat.tokenUsage",),
        Field.MESSAGE_FORMAT: ("mlflow.message.format",),
        Field.COST_DETAILS: ("mlflow.llm.cost",),
        Field.SESSION: ("mlflow.trace.session",),
        Field.USER: ("mlflow.trace.user",),
        Field.INPUT: ("mlflow.spanInputs",),
        Field.OUTPUT: ("mlflow.spanOutputs",),
        Field.TOOL_DEFINITIONS: ("mlflow.chat.tools",),
        Field.PROMPTS: ("mlflow.linkedPrompts",),
        Field.KIND_MLFLOW: ("mlflow.spanType",),
    },
    kinds={Field.KIND_MLFLOW: COMMON_KINDS},
    tag_prefixes=("mlflow.traceTag.",),
)
