"""What the service needs of a text index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiplatform.core.scope import Scope

if TYPE_CHECKING:
    from aiplatform.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Traces in which a text occurs."""

    trace_ids: Sequence[str]
    is_cut: bool
    """Whether there were more matches than are looked at; then these are the newest."""


class IndexSql(Protocol):
    """How a statement of the reader's database reaches the index, and what only one dialect can say."""

    values: str
    """Table of the values that each name has had: `value_id`, `name`, `text`, `number`."""

    resources: str
    """Table of the values that each resource has: `value_id`, and `resource_id`, the value that stands for it."""

    def spans_with_values(self, values: str, where: str, *, is_probe: bool) -> str:
        """Spans (`trace_id`, `span_id`) that have one of some values.

        Args:
            values: Numbers of values, or a statement that selects them.
            where: Further condition, beginning with AND; `{table}` stands for what has the two columns.
            is_probe: Whether the condition names the trace, so that the search begins there.
        """
        ...

    def spans_with_words(self, scope: Scope, query: str, where: str, prefix: str) -> tuple[str, dict[str, Any]]:
        """Spans in which all words of a query occur, and the statement's parameters, named with a prefix."""
        ...

    def few_with_words(self, tx: Transaction, query: str, limit: int) -> Sequence[tuple[str, str]] | None:
        """Trace and span ids of the spans in which all words of a query occur, asked beforehand.

        None where there are more than `limit`, or where the statement itself is as quick.
        """
        ...

    def contains(self, text: str, part: str) -> str:
        """Whether a part occurs in a text, ASCII letters in either case."""
        ...

    def matches(self, text: str, pattern: str) -> str:
        """Whether an expression, as `pattern` gives it, finds something in a text."""
        ...

    def pattern(self, expression: str) -> str:
        """An expression in the words of the database."""
        ...


class TextIndex(Protocol):
    """Words and attributes of spans, found within one project."""

    @property
    def sql(self) -> IndexSql:
        """How statements of the reader reach the index."""
        ...

    def reader(self) -> Database:
        """The database as it is read together with the index; nothing is written through it."""
        ...

    def update(self, max_spans: int = 2_000) -> int:
        """Take in what was committed and not yet read, oldest first; returns how many spans. Safe to repeat."""
        ...

    def search(self, scope: Scope, query: str, *, from_ns: int | None, to_ns: int | None) -> Matches:
        """Traces with a span in which every term of the query occurs.

        Args:
            scope: Tenant and project.
            query: Words; double quotes keep words together.
            from_ns: Traces that ended before need not be found.
            to_ns: Traces that started later need not be found.
        """
        ...

    def delete(self, scope: Scope) -> None:
        """Forget everything of a scope."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
