"""What a judge's reply says: JSON as asked for, JSON in a text, or JSON that breaks off where nothing is lost by it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

_THOUGHT: Final = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_CLOSERS: Final = {"{": "}", "[": "]"}


class UnreadableError(Exception):
    """A reply that cannot be used; the text says why, so that the judge can be told."""


def read(text: str, check: Callable[[Mapping[str, Any]], T]) -> T:
    """What the reply says.

    Args:
        text: The reply as it came: bare JSON, fenced, between other words, or broken off at its end.
        check: Turns an object into a verdict, or raises `UnreadableError`.

    Raises:
        UnreadableError: It holds no object that says it, or several that say different things.
    """
    problem, found = "it holds no JSON object", []
    for candidate in _objects(_THOUGHT.sub("", text)):
        try:
            found.append(check(candidate))
        except UnreadableError as error:
            problem = str(error)
    if not found:
        raise UnreadableError(problem)
    if any(each != found[0] for each in found):
        raise UnreadableError("it holds several verdicts that differ")
    return found[0]


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Every object at the top level; where none is whole, the first one as far as it goes."""
    decoder, place, is_found = json.JSONDecoder(), text.find("{"), False
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            end = place + 1
        else:
            is_found = True
            yield value
        place = text.find("{", end)
    if not is_found and "{" in text:
        try:
            value = json.loads(mended(text[text.index("{") :]), strict=False)
        except json.JSONDecodeError:
            return
        yield value


def mended(text: str) -> str:
    """JSON without commas before a closing bracket, closed after its last whole value where it breaks off.

    A value that breaks off itself is left out: what is missing of it nobody can tell.
    """
    scan = _Scan()
    for character in text:
        scan.take(character)
        if scan.is_whole:
            break
    return scan.text


class _Scan:
    """Reads JSON character by character, and knows up to where it is whole."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._open: list[str] = []
        self._is_key = False
        self._in_string = False
        self._is_escaped = False
        self._whole: tuple[int, tuple[str, ...]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the outermost value has ended."""
        return bool(self._out) and not self._open

    @property
    def text(self) -> str:
        """What was read, closed after the last whole value."""
        if self.is_whole or self._whole is None:
            return "".join(self._out)
        length, still_open = self._whole
        return "".join(self._out[:length]) + "".join(_CLOSERS[each] for each in reversed(still_open))

    def take(self, character: str) -> None:
        """Read on."""
        if self._in_string:
            self._take_in_string(character)
        elif character == '"':
            self._in_string = True
            self._out.append(character)
        elif character in "}]":
            self._close(character)
        elif character in "{[":
            self._open.append(character)
            self._is_key = character == "{"
            self._out.append(character)
        else:
            self._take_between(character)

    def _take_in_string(self, character: str) -> None:
        self._out.append(character)
        if self._is_escaped:
            self._is_escaped = False
        elif character == "\\":
            self._is_escaped = True
        elif character == '"':
            self._in_string = False
            if not self._is_key:
                self._mark()

    def _take_between(self, character: str) -> None:
        if character == ",":
            self._mark_literal()
            self._is_key = self._open[-1:] == ["{"]
        elif character == ":":
            self._is_key = False
        self._out.append(character)

    def _close(self, character: str) -> None:
        self._mark_literal()
        while self._out and (self._out[-1].isspace() or self._out[-1] == ","):
            self._out.pop()
        if self._open:
            self._open.pop()
        self._out.append(character)
        self._is_key = False
        self._mark()

    def _mark_literal(self) -> None:
        # A number or a word is whole only once something follows it.
        last = next((each for each in reversed(self._out) if not each.isspace()), "")
        if last.isalnum():
            self._mark()

    def _mark(self) -> None:
        self._whole = len(self._out), tuple(self._open)
