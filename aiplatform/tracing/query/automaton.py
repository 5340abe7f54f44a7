"""Regular expressions at work: all states of the automaton at once, one step a character, never back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from aiplatform.tracing.query.regex import Chars, Choice, Edge, Part, Ranges, Repeat, Sequence, parse

MAX_CACHED_SETS: Final = 2_000


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Matcher:
    """The automaton of an expression.

    Raises:
        ExpressionError: It is none of this language.
    """
    return Matcher(parse(pattern))


def found(pattern: str, text: str) -> bool:
    """Whether an expression finds something in a text.

    Raises:
        ExpressionError: It is none of this language.
    """
    return compiled(pattern).found(text)


@dataclass(slots=True)
class _State:
    ranges: Ranges = ()
    edge: bool | None = None
    """None for a character; else whether the end of the text is asked for, rather than its beginning."""

    next: list[int] = field(default_factory=list)


class Matcher:
    """An expression as an automaton. Each set of states is worked out once and remembered. Thread safe.

    Args:
        part: The expression.
    """

    def __init__(self, part: Part) -> None:
        self._states: list[_State] = []
        self._last = self._add(_State())
        self._first = self._build(part, self._last)
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._begin = self._closed({self._first}, is_begin=True)
        self._again = self._closed({self._first}, is_begin=False)

    def found(self, text: str) -> bool:
        """Whether the expression finds something in a text."""
        active = self._begin
        if self._last in active:
            return True
        for character in text:
            active = self._step(active, character)
            if self._last in active:
                return True
        # What waits for the end of the text may go on now.
        return self._last in self._closed(active, is_begin=not text, is_end=True)

    def _step(self, active: frozenset[int], character: str) -> frozenset[int]:
        known = self._steps.get((active, character))
        if known is not None:
            return known
        point = ord(character)
        reached = {
            target
            for index in active
            if any(low <= point <= high for low, high in self._states[index].ranges)
            for target in self._states[index].next
        }
        after = self._closed(reached, is_begin=False) | self._again
        if len(self._steps) >= MAX_CACHED_SETS:
            self._steps.clear()
        self._steps[active, character] = after
        return after

    def _closed(self, states: Iterable[int], *, is_begin: bool, is_end: bool = False) -> frozenset[int]:
        """States and all that is reached from them without a character; edges stay, to be asked again at the end."""
        seen: set[int] = set()
        waiting = list(states)
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            state = self._states[index]
            goes_on = not state.ranges if state.edge is None else (is_end if state.edge else is_begin)
            if goes_on:
                waiting.extend(state.next)
        return frozenset(seen)

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def _build(self, part: Part, after: int) -> int:
        """The state from which a part leads to `after`."""
        match part:
            case Chars(ranges=ranges):
                # A set without characters leads nowhere; an empty tuple would mean "without a character".
                return self._add(_State(ranges=ranges or ((-1, -1),), next=[after]))
            case Edge(is_end=is_end):
                return self._add(_State(edge=is_end, next=[after]))
            case Sequence(of=several):
                for each in reversed(several):
                    after = self._build(each, after)
                return after
            case Choice(of=several):
                return self._add(_State(next=[self._build(each, after) for each in several]))
            case Repeat(of=inner, low=low, high=high):
                return self._build_repeat(inner, low, high, after)

    def _build_repeat(self, inner: Part, low: int, high: int | None, after: int) -> int:
        place = after
        if high is None:
            loop = self._add(_State(next=[after]))
            self._states[loop].next.append(self._build(inner, loop))
            place = loop
        else:
            for _ in range(high - low):
                place = self._add(_State(next=[after, self._build(inner, place)]))
        for _ in range(low):
            place = self._build(inner, place)
        return place
