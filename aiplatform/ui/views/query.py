"""The query line of traces as the page works with it: conditions that are taken out one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import QueryError, filter_of, line_of
from aiplatform.tracing.query import parse as parse_query
from aiplatform.tracing.query.fields import SPACES, TRACE_FIELDS

__all__ = ["FIELDS", "Condition", "Query", "QueryError", "api_line", "parse"]

FIELDS: Final[dict[str, str]] = {
    **{name: field.what for name, field in TRACE_FIELDS.items()},
    **{f"{name}.…": what for name, (_, what) in SPACES.items()},
}
"""What can be asked for, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition as it stands in the line."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A line that was understood."""

    text: str
    conditions: tuple[Condition, ...]
    where: TraceFilter

    def without(self, condition: Condition) -> str:
        """The line without one of its conditions."""
        return " ".join(self._texts([each for each in self.conditions if each is not condition]))

    def _texts(self, conditions: list[Condition]) -> list[str]:
        return [self.text[each.start : each.end] for each in conditions]


def parse(text: str) -> Query:
    """What the line asks for.

    Raises:
        QueryError: The line cannot be understood; the error names its column.
    """
    parsed = parse_query(text)
    conditions = tuple(
        Condition(start=piece.start, end=piece.start + len(text[piece.start : piece.end].rstrip()))
        for piece in parsed.pieces
    )
    return Query(text=text, conditions=conditions, where=filter_of(parsed.node))


def api_line(where: TraceFilter) -> str:
    """The filter as a line that the API and the command line read."""
    return line_of(where)
