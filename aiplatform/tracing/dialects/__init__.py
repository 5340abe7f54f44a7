"""The vocabularies of emitters, a small module each, behind one interface: `Dialect`.

To add one, write a module that says under which names it puts what the platform knows as a `Field`, and list it in
`DIALECTS`. Nothing else changes: columns, records, previews and the text index follow from the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiplatform.tracing.dialects import (
    google_adk,
    langfuse,
    langsmith,
    logfire,
    mlflow,
    openinference,
    opentelemetry,
    traceloop,
    vercel,
)
from aiplatform.tracing.dialects.base import Dialect, Field

__all__ = ["DIALECTS", "Dialect", "Field", "dialect_of"]

DIALECTS: Final[tuple[Dialect, ...]] = (
    opentelemetry.DIALECT,
    openinference.DIALECT,
    mlflow.DIALECT,
    langfuse.DIALECT,
    traceloop.DIALECT,
    langsmith.DIALECT,
    logfire.DIALECT,
    vercel.DIALECT,
    google_adk.DIALECT,
)
"""In the order of trust: where two of them say the same thing about one span, the first is believed."""

# A dialect of its own is told from OpenTelemetry, whose names most emitters send beside their own.
_BY_MARK: Final[Mapping[str, Dialect]] = {
    mark: dialect for dialect in (*DIALECTS[1:], DIALECTS[0]) for mark in dialect.marks
}


def dialect_of(names: Iterable[str]) -> str | None:
    """The dialect that a span's attributes are written in; None where they say nothing about a model or a tool."""
    names = list(names)
    return next(
        (dialect.name for mark, dialect in _BY_MARK.items() if any(name.startswith(mark) for name in names)), None
    )
