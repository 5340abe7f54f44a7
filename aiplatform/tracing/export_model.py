"""What an export holds: its formats, its levels, and the columns of each, in a schema that only ever grows.

The docs show these tables (docs/trace-export.md), and a Parquet file names the version in its metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SCHEMA_VERSION: Final = 1
"""Raised when a column changes its meaning or goes; a new column alone does not raise it."""

META_LEVEL: Final = "aiplatform.schema"
META_VERSION: Final = "aiplatform.schema_version"
META_EXPORTED: Final = "aiplatform.exported_ns"
META_PROJECT: Final = "aiplatform.project"
META_QUERY: Final = "aiplatform.query"
SCHEMA_HEADER: Final = "x-aiplatform-schema"
PARQUET_MAGIC: Final = b"PAR1"
"""Both ends of a whole Parquet file."""


class ExportFormat(StrEnum):
    """How rows are written."""

    PARQUET = "parquet"
    JSONL = "jsonl"


class ExportLevel(StrEnum):
    """What a row is."""

    TRACES = "traces"
    SPANS = "spans"


class ColumnType(StrEnum):
    """What a column holds. Every column may be empty."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXTS = "texts"
    """A list of texts."""

    JSON = "json"
    """A value of any shape: JSON text in Parquet, the value itself in JSON lines."""

    SCORES = "scores"
    """A list of records with the fields of `SCORE_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column."""

    name: str
    type: ColumnType


def _columns(**types: str) -> tuple[ExportColumn, ...]:
    return tuple(ExportColumn(name, ColumnType(type_)) for name, type_ in types.items())


SCORE_COLUMNS: Final = _columns(
    score_id="text", span_id="text", name="text", type="text", number="number", label="text", source="text",
    comment="text", principal="text", created_ns="integer",
)  # fmt: skip

_TOKENS: Final = _columns(
    input_tokens="integer", output_tokens="integer", cache_read_tokens="integer", cache_write_tokens="integer",
    reasoning_tokens="integer",
)  # fmt: skip

COLUMNS: Final = {
    ExportLevel.TRACES: (
        *_columns(
            trace_id="text", name="text", status="text", start_ns="integer", duration_ns="integer",
            root_span_id="text", has_root="boolean", num_spans="integer", num_errors="integer",
        ),
        *_TOKENS,
        *_columns(
            cost="number", input_preview="text", output_preview="text", models="texts", service="text",
            session_id="text", user_id="text", updated_ns="integer", scores="scores",
        ),
    ),
    ExportLevel.SPANS: (
        *_columns(
            trace_id="text", span_id="text", parent_id="text", name="text", kind="text", status="text",
            start_ns="integer", duration_ns="integer", service="text", session_id="text", user_id="text",
            operation="text", provider="text", model="text", request_model="text", response_model="text",
        ),
        *_TOKENS,
        *_columns(
            cost="number", finish_reasons="texts", time_to_first_chunk_ns="integer", parameters="json", input="json",
            output="json", input_messages="json", output_messages="json", tool_definitions="json", tool_call="json",
            passages="json", error="text", error_type="text", error_message="text", error_stack="text", tags="texts",
            metadata="json", prompt_name="text", prompt_version="text", attributes="json", resource="json",
            scope_name="text", scope_version="text", events="json", links="json", num_dropped_attributes="integer",
        ),
    ),
}  # fmt: skip
"""The columns of each level, in their order."""
