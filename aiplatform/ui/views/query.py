"""The query line of traces as the page works with it: conditions that are taken out and put in, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import QueryError, filter_of, line_of
from aiplatform.tracing.query import parse as parse_query
from aiplatform.tracing.query.fields import SPACES, TRACE_FIELDS
from aiplatform.tracing.query.printing import bare
from aiplatform.tracing.query.tree import Compare, Name, Node, Op, Some, Space

__all__ = ["FIELDS", "Condition", "Query", "QueryError", "api_line", "parse"]

FIELDS: Final[dict[str, str]] = {
    **{name: field.what for name, field in TRACE_FIELDS.items()},
    **{f"{name}.…": what for name, (_, what) in SPACES.items()},
}
"""What can be asked for, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition as it stands in the line."""

    field: str
    """Empty where it is no plain `field:value`."""

    value: str
    start: int
    end: int
    is_choice: bool = False
    """Whether it is alternatives without parentheses, which the whole line then is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A line that was understood."""

    text: str
    conditions: tuple[Condition, ...]
    where: TraceFilter

    def value(self, field: str) -> str | None:
        """The value that a field is narrowed to; None where it is not."""
        return next((each.value for each in self.conditions if each.field == field), None)

    def without(self, condition: Condition) -> str:
        """The line without one of its conditions."""
        return " ".join(self._texts([each for each in self.conditions if each is not condition]))

    def narrowed(self, field: str, value: str | None) -> str:
        """The line with a field set to a value, or with the field taken out."""
        kept = self._texts([each for each in self.conditions if each.field != field])
        if value is None:
            return " ".join(kept)
        if len(kept) == 1 and self.conditions[0].is_choice:
            kept = [f"({kept[0]})"]
        return " ".join([*kept, f"{field}:{bare(value)}"])

    def _texts(self, conditions: list[Condition]) -> list[str]:
        return [self.text[each.start : each.end] for each in conditions]


def parse(text: str) -> Query:
    """What the line asks for.

    Raises:
        QueryError: The line cannot be understood; the error names its column.
    """
    parsed = parse_query(text)
    conditions = tuple(
        _condition(piece.node, piece.start, piece.start + len(text[piece.start : piece.end].rstrip()), text)
        for piece in parsed.pieces
    )
    return Query(text=text, conditions=conditions, where=filter_of(parsed.node))


def api_line(where: TraceFilter) -> str:
    """The filter as a line that the API and the command line read."""
    return line_of(where)


def _condition(node: Node, start: int, end: int, text: str) -> Condition:
    field = value = ""
    match node:
        case Compare(name=Name(space=Space.FIELD, name="errors"), op=Op.ABOVE, value=0):
            field, value = "errors", "yes"
        case Compare(name=Name(space=Space.FIELD, name=name), op=Op.EQUAL | Op.CONTAINS, value=str() as value):
            field = name
    is_choice = isinstance(node, Some) and not text[start:end].startswith("(")
    return Condition(field=field, value=value, start=start, end=end, is_choice=is_choice)
