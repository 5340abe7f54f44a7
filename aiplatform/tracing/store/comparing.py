"""One value of a row against what a query asks for, in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aiplatform.tracing.query.tree import Between, Compare, Exists, OneOf, Op, Value
from aiplatform.tracing.query.values import storable

if TYPE_CHECKING:
    from aiplatform.tracing.textindex.ports import IndexSql

_ORDERINGS: Final = frozenset({Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST})
_ESCAPE: Final = "!"


class Comparison:
    """Writes conditions of a statement.

    Args:
        index: What only one dialect can say.
        bind: Takes a value into the statement's parameters, and returns how it stands there.
    """

    def __init__(self, index: IndexSql, bind: Callable[[Any], str]) -> None:
        self._index = index
        self._bind = bind
        self._max_text: int | None = None

    def condition(
        self, leaf: Compare | Between | OneOf | Exists, *, text: str, number: str, max_text: int | None = None
    ) -> str:
        """The condition that a value meets; true or false, also where one of its two forms is NULL.

        It may be joined by AND and OR as it is; NOT needs parentheses around it.

        Args:
            leaf: What is asked.
            text: SQL of the value as text.
            number: SQL of the value as a number; the same as `text` for a column of one type.
            max_text: Characters that such a text has at most; what it is compared with is cut likewise.
        """
        self._max_text = max_text
        match leaf:
            case Exists():
                return "TRUE"
            case OneOf(values=values):
                return f"({' OR '.join(self._equal(value, text, number) for value in values)})"
            case Between(low=low, high=high):
                low_sql, high_sql = self._bind(low), self._bind(high)
                return f"{number} IS NOT NULL AND {number} >= {low_sql} AND {number} <= {high_sql}"
            case Compare(op=Op.EQUAL, value=value):
                return self._equal(value, text, number)
            case Compare(op=Op.NOT_EQUAL, value=value):
                has_value = f"{text} IS NOT NULL" if text == number else f"({text} IS NOT NULL OR {number} IS NOT NULL)"
                return f"{has_value} AND NOT ({self._equal(value, text, number)})"
            case Compare(op=op, value=value) if op in _ORDERINGS:
                return f"{number} IS NOT NULL AND {number} {op} {self._bind(value)}"
            case Compare(op=Op.CONTAINS, value=value):
                return f"{text} IS NOT NULL AND {self._index.contains(text, self._bind(self._clean(value)))}"
            case Compare(op=Op.LIKE, value=value):
                pattern = self._bind(like_form(self._clean(value)))
                return f"{text} IS NOT NULL AND lower({text}) LIKE lower({pattern}) ESCAPE '{_ESCAPE}'"
            case Compare(value=value):
                pattern = self._bind(self._index.pattern(str(value)))
                return f"{text} IS NOT NULL AND {self._index.matches(text, pattern)}"

    def _equal(self, value: Value, text: str, number: str) -> str:
        if isinstance(value, int | float):
            return f"{number} IS NOT NULL AND {number} = {self._bind(value)}"
        return f"{text} IS NOT NULL AND {text} = {self._bind(self._clean(value))}"

    def _clean(self, value: Value) -> str:
        """Text as it can be in a database at all, and as much of it as an index keeps."""
        return storable(str(value))[: self._max_text]


def like_form(pattern: str) -> str:
    r"""A pattern as SQL's LIKE reads it; `\*` stands for the sign itself."""
    found = ""
    for kind, part in _pieces(pattern):
        if kind:
            found += "%"
        else:
            found += "".join(f"{_ESCAPE}{each}" if each in f"%_{_ESCAPE}" else each for each in part)
    return found


def like_finds(pattern: str, value: str) -> bool:
    """Whether a whole value fits a pattern, ASCII letters in either case."""
    value = _ascii_lower(value)
    pieces = _pieces(_ascii_lower(pattern))
    if not any(kind for kind, _ in pieces):
        return value == "".join(part for _, part in pieces)
    place = 0
    for index, (kind, part) in enumerate(pieces):
        if kind:
            continue
        if index == 0:
            if not value.startswith(part):
                return False
            place = len(part)
        elif index == len(pieces) - 1:
            return len(value) - len(part) >= place and value.endswith(part)
        else:
            found = value.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
    return True


def _pieces(pattern: str) -> list[tuple[bool, str]]:
    """Stars (True) and the texts between them."""
    pieces: list[tuple[bool, str]] = []
    place = 0
    while place < len(pattern):
        if pattern[place] == "*":
            if not pieces or not pieces[-1][0]:
                pieces.append((True, "*"))
            place += 1
            continue
        is_escaped = pattern[place] == "\\" and pattern[place + 1 : place + 2] in {"*", "\\"}
        place += is_escaped
        if pieces and not pieces[-1][0]:
            pieces[-1] = (False, pieces[-1][1] + pattern[place])
        else:
            pieces.append((False, pattern[place]))
        place += 1
    return pieces


def _ascii_lower(text: str) -> str:
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)
