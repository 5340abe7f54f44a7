"""Traces and spans as flat rows of an export, and one row as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson

from aiplatform.tracing.export_model import ColumnType, ExportColumn
from aiplatform.tracing.model import Score, SpanDetail, TraceSummary, Usage

Row = dict[str, Any]


def trace_row(summary: TraceSummary, scores: Sequence[Score]) -> Row:
    """A trace with its scores, by column."""
    found = {name: getattr(summary, name) for name in TraceSummary.__slots__ if name not in {"usage", "models"}}
    return {
        **found,
        **_tokens(summary.usage),
        "status": summary.status.value,
        "models": [*summary.models],
        "scores": [_score_row(score) for score in scores],
    }


def span_row(detail: SpanDetail, cost: float | None, trace: TraceSummary) -> Row:
    """A span with all that it says, by column; what is of a JSON type stays a value.

    Args:
        detail: The span.
        cost: What it cost, where that is known.
        trace: Its trace, whose session and user it belongs to where it names none itself.
    """
    row = detail.row
    found = {name: getattr(detail, name) for name in SpanDetail.__slots__ if name not in {"row", "usage"}}
    found |= {name: getattr(row, name) for name in ("trace_id", "span_id", "parent_id", "name", "model", "error")}
    return {
        **found,
        **_tokens(detail.usage),
        "kind": row.kind.value,
        "status": row.status.value,
        "start_ns": row.start_ns,
        "duration_ns": row.duration_ns,
        "service": row.service,
        "session_id": detail.session_id or trace.session_id,
        "user_id": detail.user_id or trace.user_id,
        "cost": cost,
        "tool_call": asdict(detail.tool_call) if detail.tool_call else None,
        "finish_reasons": [*detail.finish_reasons],
        "tags": [*detail.tags],
    }


def json_text(value: Any) -> str:
    """A value as JSON text; one that nobody gave is empty text's absence, never the word null.

    NaN and infinity, which JSON has no words for, become null.
    """
    try:
        return orjson.dumps(value, default=_plain).decode()
    except TypeError:
        # Numbers beyond 64 bits, and halves of a surrogate pair, which UTF-8 has no bytes for.
        return json.dumps(value, default=_plain)


def json_line(row: Mapping[str, Any], columns: Sequence[ExportColumn]) -> bytes:
    """A row as a line, its columns in their order."""
    return json_text({column.name: row[column.name] for column in columns}).encode() + b"\n"


def arrow_value(value: Any, type_: ColumnType) -> Any:
    """A value as Arrow's builders take it."""
    if value is None:
        return None
    if type_ is ColumnType.JSON:
        return json_text(value)
    if type_ is ColumnType.TEXT:
        return _storable(value)
    if type_ is ColumnType.TEXTS:
        return [_storable(item) for item in value]
    return value


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _score_row(score: Score) -> Row:
    is_text = isinstance(score.value, str)
    found = {name: getattr(score, name) for name in Score.__slots__ if name not in {"value", "trace_id"}}
    return {
        **found,
        "type": score.type.value,
        "source": score.source.value,
        "number": None if is_text else float(score.value),
        "label": score.value if is_text else None,
    }


def _tokens(usage: Usage) -> dict[str, int | None]:
    return asdict(usage)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
