"""From text to the words of an index, and from what somebody types to what must be found.

Words are runs of letters and digits, folded to lower case and to one form (full-width to half-width). Runs of Chinese,
Japanese and Korean characters have no spaces, so each pair of neighbours is a word: 内部错误 gives 内部, 部错, 错误,
and any two or more neighbouring characters are found as a substring. The last character of a run is a word too, so that
a single one can be found by its beginning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_WORD: Final = 64
"""Characters of one word that count; longer ones are blobs, and PostgreSQL's index holds no word of megabytes."""

MAX_TERMS: Final = 16
_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002ebef"
_CJK_LETTER: Final = rf"[{_CJK}](?<=\w)"
"""The ranges hold a few marks and unassigned places too, which are no letters."""
_RUN: Final = re.compile(rf"(?:{_CJK_LETTER})+|[^\W_{_CJK}]+")
_CJK_RUN: Final = re.compile(rf"(?:{_CJK_LETTER})+")
_LONG_WORD: Final = re.compile(f"[^\\W_]{{{MAX_WORD + 1},}}")
_FIRST_CJK: Final = re.compile(f"[{_CJK}]")
_TERM: Final = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that must occur."""

    phrases: Sequence[Sequence[str]]
    """Words; those of one phrase stand next to each other."""

    text: str
    """The same as folded text."""

    is_prefix: bool = False
    """Whether the last word is only a beginning: a single CJK character."""


def folded(text: str) -> str:
    """Text in the one form that is compared."""
    if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return text.lower()


def words_of(text: str) -> list[str]:
    """The words of an already folded text, in their order."""
    if text.isascii():
        return [run[:MAX_WORD] for run in _RUN.findall(text)]
    words: list[str] = []
    for run in _RUN.findall(text):
        if _FIRST_CJK.match(run):
            words.extend(run[index : index + 2] for index in range(len(run)))
        else:
            words.append(run[:MAX_WORD])
    return words


def read_query(query: str) -> list[Term]:
    """The terms of a query: words that must all occur; in double quotes, next to each other."""
    terms: list[Term] = []
    for quoted, word in _TERM.findall(folded(query)):
        text = quoted or word
        phrases: list[list[str]] = []
        is_prefix = after_cjk = False
        for run in _RUN.findall(text):
            is_cjk = bool(_FIRST_CJK.match(run))
            words = words_of(run)[:-1] if is_cjk and len(run) > 1 else [run[:MAX_WORD]]
            if phrases and not is_cjk and not after_cjk:
                phrases[-1].extend(words)
            else:
                phrases.append(words)
            is_prefix, after_cjk = is_cjk and len(run) == 1, is_cjk
        if phrases:
            terms.append(Term(phrases=phrases, text=text.strip(), is_prefix=is_prefix))
    return terms[:MAX_TERMS]


def index_form(text: str) -> str:
    """A folded text as FTS5 is to read it: it finds the same words in it as `words_of`, at a fraction of the time.

    FTS5 splits letters and digits from the rest by itself; only what it cannot know is written out here: the pairs of
    CJK characters, and the end of words that are too long.
    """
    if not text.isascii():
        text = _CJK_RUN.sub(_pairs, text)
    if any(len(piece) > MAX_WORD for piece in text.split()):  # looking for long words themselves takes ten times longer
        return _LONG_WORD.sub(_cut, text)
    return text


def _pairs(run: re.Match[str]) -> str:
    return f" {' '.join(words_of(run[0]))} "


def _cut(word: re.Match[str]) -> str:
    return word[0][:MAX_WORD]
