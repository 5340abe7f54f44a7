r"""Regular expressions without traps: a small language, matched in time that grows with the text alone.

    expression = branch {"|" branch}
    branch     = {atom ["*" | "+" | "?" | "{m}" | "{m,n}" | "{m,}"]}
    atom       = "(" expression ")" | "[" ["^"] ranges "]" | "." | "^" | "$" | \d \D \w \W \s \S | \x | x

Nothing remembers (no back-references) and nothing looks around, so an expression is a finite automaton: it is walked
through with all its states at once, and never goes back. `(?i)` at the beginning ignores the case of ASCII letters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiplatform.core.i18n import N_

MAX_PATTERN: Final = 500
MAX_STATES: Final = 2_000
MAX_REPEAT: Final = 200
MAX_DEPTH: Final = 30

_DIGITS: Final = ((48, 57),)
_WORD: Final = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACES: Final = ((9, 13), (32, 32))
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACES}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_MAX_POINT: Final = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


class ExpressionError(ValueError):
    """An expression that this language does not have."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of some ranges of code points."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning or the end of the text."""

    is_end: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    of: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Either of several."""

    of: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between `low` and `high` times; without an end where `high` is None."""

    of: Part
    low: int
    high: int | None


Part = Chars | Edge | Sequence | Choice | Repeat


def parse(pattern: str) -> Part:
    """The parts of an expression.

    Raises:
        ExpressionError: It is none of this language, or too large.
    """
    part = _Parser(pattern).whole()
    if _size(part) > MAX_STATES:
        raise ExpressionError(N_("it is too large"))
    return part


def postgres_form(pattern: str) -> str:
    """The same expression in PostgreSQL's words; its engine walks an automaton too where nothing is remembered.

    Raises:
        ExpressionError: It is none of this language.
    """
    return "***:" + _written(parse(pattern))


class _Parser:
    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise ExpressionError(N_("it is too large"))
        self.ignores_case = pattern.startswith("(?i)")
        self.pattern = pattern
        self.place = 4 if self.ignores_case else 0
        self.depth = 0

    def whole(self) -> Part:
        part = self._choice()
        if self.place < len(self.pattern):
            raise ExpressionError(N_("a parenthesis is closed that was not opened"))
        return part

    def _choice(self) -> Part:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(N_("it is nested too deeply"))
        branches = [self._branch()]
        while self._peek() == "|":
            self.place += 1
            branches.append(self._branch())
        self.depth -= 1
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _branch(self) -> Part:
        parts: list[Part] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, atom: Part) -> Part:
        sign = self._peek()
        limits: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if sign in limits and sign:
            low, high = limits[sign]
            self.place += 1
        elif sign == "{":
            low, high = self._limits()
        else:
            return atom
        if self._peek() in {"*", "+", "?", "{"} and self._peek():
            raise ExpressionError(N_("two repetitions follow each other"))
        if isinstance(atom, Edge):
            raise ExpressionError(N_("nothing stands there that can be repeated"))
        return Repeat(atom, low, high)

    def _limits(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.place)
        low_text, comma, high_text = self.pattern[self.place + 1 : max(end, 0)].partition(",")
        if end < 0 or not (low_text.isascii() and low_text.isdigit()) or (high_text and not high_text.isdigit()):
            raise ExpressionError(N_("a repetition is written {m,n}"))
        low = int(low_text[:6])
        high = low if not comma else int(high_text[:6]) if high_text else None
        if low > MAX_REPEAT or (high is not None and not low <= high <= MAX_REPEAT):
            raise ExpressionError(N_("a repetition is written {m,n}"))
        self.place = end + 1
        return low, high

    def _atom(self) -> Part:
        character = self._take()
        match character:
            case "(":
                if self._peek() == "?":
                    if not self.pattern.startswith("?:", self.place):
                        raise ExpressionError(N_("nothing looks around or is remembered"))
                    self.place += 2
                part = self._choice()
                if self._peek() != ")":
                    raise ExpressionError(N_("a parenthesis is not closed"))
                self.place += 1
                return part
            case "[":
                return self._class()
            case ".":
                return Chars(((0, _MAX_POINT),))
            case "^" | "$":
                return Edge(character == "$")
            case "\\":
                return self._chars(self._escape())
            case "*" | "+" | "?" | "{":
                raise ExpressionError(N_("nothing stands there that can be repeated"))
            case _:
                return self._chars(((ord(character), ord(character)),))

    def _class(self) -> Part:
        is_negated = self._peek() == "^"
        self.place += is_negated
        found: list[tuple[int, int]] = []
        is_first = True
        while is_first or self._peek() != "]":
            if self.place >= len(self.pattern):
                raise ExpressionError(N_("a set of characters is not closed"))
            is_first = False
            low = self._class_item()
            is_range = self._peek() == "-" and self.pattern[self.place + 1 : self.place + 2] not in {"]", ""}
            if is_range:
                self.place += 1
                high = self._class_item()
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] < low[0][0]:
                    raise ExpressionError(N_("a set of characters has a range without order"))
                found.append((low[0][0], high[0][1]))
            else:
                found.extend(low)
        self.place += 1
        ranges = self._with_case(found)
        return Chars(_outside(ranges) if is_negated else ranges)

    def _class_item(self) -> Ranges:
        character = self._take()
        return self._escape() if character == "\\" else ((ord(character), ord(character)),)

    def _escape(self) -> Ranges:
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.lower() in _CLASSES and character.isascii():
            return _outside(_merged(_CLASSES[character.lower()]))
        if character.isascii() and character.isalnum() and character not in _ESCAPES:
            raise ExpressionError(N_("a backslash stands before a letter that means nothing"))
        point = ord(_ESCAPES.get(character, character))
        return ((point, point),)

    def _chars(self, ranges: Ranges) -> Chars:
        return Chars(self._with_case(ranges))

    def _with_case(self, ranges: Iterable[tuple[int, int]]) -> Ranges:
        found = list(ranges)
        if self.ignores_case:
            for low, high in tuple(found):
                for start, end, shift in ((65, 90, 32), (97, 122, -32)):
                    if max(low, start) <= min(high, end):
                        found.append((max(low, start) + shift, min(high, end) + shift))
        return _merged(found)

    def _peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def _take(self) -> str:
        if self.place >= len(self.pattern):
            raise ExpressionError(N_("it ends too early"))
        self.place += 1
        return self.pattern[self.place - 1]


def _merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _outside(ranges: Ranges) -> Ranges:
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            found.append((start, low - 1))
        start = high + 1
    if start <= _MAX_POINT:
        found.append((start, _MAX_POINT))
    return tuple(found)


def _size(part: Part) -> int:
    match part:
        case Chars() | Edge():
            return 1
        case Sequence(of=several) | Choice(of=several):
            return 1 + sum(_size(each) for each in several)
        case Repeat(of=inner, low=low, high=high):
            return 1 + _size(inner) * max(low + (high is None), high or 0, 1)


def _written(part: Part) -> str:
    match part:
        case Chars(ranges=ranges):
            # A character that PostgreSQL cannot hold (0) is in no text.
            kept = [(max(low, 1), high) for low, high in ranges if high >= 1]
            if kept == [(1, _MAX_POINT)]:
                return "."
            return "[" + "".join(_range(low, high) for low, high in kept) + "]" if kept else "(?!)"
        case Edge(is_end=is_end):
            return "$" if is_end else "^"
        case Sequence(of=several):
            return "(?:" + "".join(_written(each) for each in several) + ")"
        case Choice(of=several):
            return "(?:" + "|".join(_written(each) for each in several) + ")"
        case Repeat(of=inner, low=low, high=high):
            return f"(?:{_written(inner)}){{{low},{'' if high is None else high}}}"


def _range(low: int, high: int) -> str:
    return _point(low) if low == high else f"{_point(low)}-{_point(high)}"


def _point(point: int) -> str:
    return f"\\U{point:08X}"
