"""What changed from one text to another: word by word, and character by character where a script has no spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

MAX_WORDS: Final = 4_000
"""Texts with more words are compared line by line: the time that words take grows with their number squared."""

MAX_LINES: Final = 4_000
"""Texts with more lines than this are one change from the first difference to the last."""

_WORDS: Final = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿]|[^\W぀-ヿ㐀-鿿가-힯豈-﫿]+|\s+|[^\w\s]")


class Change(StrEnum):
    """What became of a piece of text."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with one fate."""

    change: Change
    text: str


def diff(before: str, after: str) -> list[Piece]:
    """The pieces of both texts in order: `same` and `gone` make the one before, `same` and `new` the one after."""
    if before == after:
        return [Piece(Change.SAME, before)] if before else []
    old, new = _parts(before, after)
    # What both begin and end with is set aside first: most changes are small.
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    pieces = [Piece(Change.SAME, "".join(old[:head]))]
    if max(len(middle_old), len(middle_new)) > MAX_LINES:
        pieces += [Piece(Change.GONE, "".join(middle_old)), Piece(Change.NEW, "".join(middle_new))]
    else:
        pieces += _middle(middle_old, middle_new)
    pieces.append(Piece(Change.SAME, "".join(old[len(old) - tail :])))
    return _joined(pieces)


def _parts(before: str, after: str) -> tuple[Sequence[str], Sequence[str]]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MAX_WORDS:
        return before.splitlines(keepends=True), after.splitlines(keepends=True)
    return old, new


def _middle(old: Sequence[str], new: Sequence[str]) -> list[Piece]:
    found: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(Piece(Change.SAME, "".join(old[i:j])))
        else:
            found.append(Piece(Change.GONE, "".join(old[i:j])))
            found.append(Piece(Change.NEW, "".join(new[k:m])))
    return found


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if found and found[-1].change is piece.change:
            found[-1] = Piece(piece.change, found[-1].text + piece.text)
        else:
            found.append(piece)
    return found
