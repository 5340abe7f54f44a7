"""The values of the documentation assistant: passages, questions, what a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

ENGLISH: Final = "en"
CHINESE: Final = "zh"
LANGUAGES: Final = (ENGLISH, CHINESE)

Vectors = NDArray[np.float32]
"""Rows of unit length, shape (texts, dimensions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of documentation that can be found and quoted."""

    passage_id: str
    language: str
    collection: str
    page: str
    url: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question whose answer is known, or that must not be answered."""

    question_id: str
    language: str
    question: str
    expected: tuple[str, ...]
    answerable: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that a search found."""

    passage: Passage
    score: float
    """In the retriever's own unit; comparable within one search alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to."""

    query: str
    hits: tuple[Hit, ...]
    """Best first; empty where nothing is shared with the query."""

    confidence: float
    """How sure it is that the first hit answers, 0 to 1; a threshold turns it into answering or abstaining."""


class Encoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order."""
        ...


class Retriever(Protocol):
    """Finds passages."""

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        """The best passages in the language of the question."""
        ...
