"""A query that cannot be understood: where, and what was perhaps meant."""

from __future__ import annotations

import unicodedata
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import translate


class QueryError(InvalidError):
    """A query that cannot be understood; it knows where.

    Args:
        message: What is wrong; it may name the {column}, counted from 1.
        source: The whole query.
        start: First character of what is wrong, counted from 0.
        end: The character after it.
        reason: Code of the error.
        near: What was perhaps meant; empty where nothing is near.
        fields: Further values of the message.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str = "",
        start: int = 0,
        end: int = 0,
        reason: str | None = None,
        near: str = "",
        hint: str | None = None,
        retry_after_s: float | None = None,
        **fields: Any,
    ) -> None:
        own = {"source": source, "start": start, "end": end, "near": near, "column": start + 1}
        own["pointer"] = pointer(source, start, end)
        super().__init__(
            message,
            hint=hint or "{source}\n{pointer}",
            reason=reason or "query.syntax",
            retry_after_s=retry_after_s,
            **{**fields, **own},
        )

    def localized(self, locale: str) -> str:
        """The message in `locale`; what is wrong with an expression is translated too."""
        problem = self.fields.get("problem")
        if problem is None:
            return super().localized(locale)
        return translate(self.message, locale).format(**{**self.fields, "problem": translate(problem, locale)})

    @property
    def span(self) -> tuple[int, int]:
        """First and last column of what is wrong, counted from 0."""
        return self.fields["start"], self.fields["end"]


def pointer(source: str, start: int, end: int) -> str:
    """A line of carets that stands under `source[start:end]`; characters of double width get two columns."""
    before = "".join("\t" if each == "\t" else " " * _width(each) for each in source[:start])
    return before + "^" * max(1, sum(_width(each) for each in source[start:end]))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
