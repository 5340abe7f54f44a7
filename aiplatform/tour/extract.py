"""Picks the words that answer: a quotation, never a text of its own."""

from __future__ import annotations

import re
from typing import Final

from aiplatform.tour.bm25 import terms
from aiplatform.tour.rewrite import keywords

MAX_CHARACTERS: Final = 400
_SENTENCE: Final = re.compile(r"[^\n.!?。！？]+(?:[.!?](?!\s)[^\n.!?。！？]*)*[.!?。！？]*\s*|\n+")


def quotation(question: str, text: str) -> str:
    """The stretch of `text` that fits the question best, verbatim: from its best sentence on, 400 characters long."""
    sentences = list(_SENTENCE.finditer(text))
    if not sentences:
        return text[:MAX_CHARACTERS].strip()
    asked = set(terms(keywords(question)))
    best = max(sentences, key=lambda match: (len(asked & set(terms(match[0]))), -match.start()))
    end = best.end()
    for match in sentences:
        if match.start() >= best.end() and match.end() - best.start() <= MAX_CHARACTERS:
            end = match.end()
    return text[best.start() : min(end, best.start() + MAX_CHARACTERS)].strip()
