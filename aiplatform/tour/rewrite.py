"""Rewrites a conversation's last question so that it can be searched by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_WORD: Final = re.compile(r"[\w.'’/-]+")
_FILLERS: Final = frozenset(
    re.split(
        r"\s+",
        "a about an and any are at be by can could did do does for from get have how i if in into is it its me my not "
        "of on or please s should so some t tell that the their there these this to was were what when where which who "
        "why will with would you your",
    )
)
_CHINESE_FILLERS: Final = re.compile(
    r"请问|什么是|是什么|为什么|什么|如何|怎么|怎样|哪里|哪些|哪个|是否|有没有|我可以|我应该|应该|可以|能否|我|吗|呢|？|。|！"
)
_FOLLOW_UP: Final = re.compile(
    r"^\s*(and|but|so|what about|how about|then|那么|那|还有|另外)\b|\b(it|that|this|they|them)\b|它|这个|那个",
    re.IGNORECASE,
)


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, the parts of a list joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content or () if isinstance(part, Mapping))


def standalone(messages: Sequence[Mapping[str, Any]]) -> str:
    """The last question; with the one before it where it leans on that ("and on Windows?")."""
    asked = [text_of(message).strip() for message in messages if message.get("role") == "user"]
    if not asked:
        return ""
    if len(asked) > 1 and (_FOLLOW_UP.search(asked[-1]) or len(asked[-1].split()) < 4):
        return f"{asked[-2]} {asked[-1]}"
    return asked[-1]


def keywords(question: str) -> str:
    """The question without the words that only make it one; the question itself where nothing else is left."""
    plain = _CHINESE_FILLERS.sub(" ", question)
    kept = [word for word in _WORD.findall(plain) if word.lower().strip("'’.") not in _FILLERS]
    return " ".join(kept) or question
