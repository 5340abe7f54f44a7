"""What the service needs of a text index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiplatform.core.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Traces in which a text occurs."""

    trace_ids: Sequence[str]
    is_cut: bool
    """Whether there were more matches than are looked at; then these are the newest."""


class TextIndex(Protocol):
    """Words of spans, found within one project."""

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

    def delete_traces(self, scope: Scope, trace_ids: Sequence[str]) -> None:
        """Forget some traces of one project."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
