"""Ways to find passages: by words, by meaning, by both, by the language of the question. Arithmetic on numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiplatform.tour.bm25 import BM25
from aiplatform.tour.model import LANGUAGES, Encoder, Found, Hit, Passage, Retriever, Vectors

EVEN_SHARE: Final = 0.1
"""The share of BM25's ceiling that becomes a confidence of one half, about where cosines of good answers begin."""

RRF_K: Final = 60
"""Cormack, Clarke and Büttcher 2009, "Reciprocal rank fusion": the constant they found and everybody kept."""


class _ByOwnLanguage:
    """Passages split by language: a question is answered in its own."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = list(passages)
        self.places = {
            language: np.array([i for i, p in enumerate(self._passages) if p.language == language], dtype=np.intp)
            for language in LANGUAGES
        }

    def texts(self, language: str) -> list[str]:
        return [self._passages[place].text for place in self.places[language]]

    def hits(self, scores: NDArray[np.floating], language: str, limit: int) -> tuple[Hit, ...]:
        return tuple(
            Hit(passage=self._passages[self.places[language][index]], score=float(scores[index]))
            for index in best(scores, limit)
        )


class Lexical:
    """BM25. Confidence grows with the score's share of what a passage full of every word would reach."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._split = _ByOwnLanguage(passages)
        self._indexes = {language: BM25(self._split.texts(language)) for language in LANGUAGES}

    def scores(self, query: str, language: str) -> NDArray[np.float64]:
        """One score per passage of the language."""
        return self._indexes[language].scores(query)

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        """The passages that share the most telling words."""
        scores = self.scores(query, language)
        ceiling = self._indexes[language].ceiling(query)
        share = float(scores.max(initial=0.0) / ceiling) if ceiling else 0.0
        confidence = share / (share + EVEN_SHARE)
        return Found(query=query, hits=self._split.hits(scores, language, limit), confidence=confidence)


class Dense:
    """Cosine of embeddings, the question's moved by an adapter where there is one.

    Confidence is the unmoved cosine of the first passage: the adapter learns which of two passages fits better, not
    whether any does.
    """

    def __init__(
        self, passages: Sequence[Passage], vectors: Vectors, encoder: Encoder, *, adapter: Vectors | None = None
    ) -> None:
        """Keep the index.

        Args:
            passages: What can be found.
            vectors: Their embeddings, in order.
            encoder: Embeds questions as the passages were.
            adapter: Shape (dimensions, dimensions); None leaves questions as they are.
        """
        self._split = _ByOwnLanguage(passages)
        self._vectors = {language: vectors[self._split.places[language]] for language in LANGUAGES}
        self._encoder = encoder
        self._adapter = adapter

    def scores(self, query: str, language: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines of the moved and of the unmoved question, one per passage of the language."""
        vector = self._encoder.encode([query])[0]
        plain = self._vectors[language] @ vector
        if self._adapter is None:
            return plain, plain
        return self._vectors[language] @ adapted(vector[None], self._adapter)[0], plain

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        """The passages closest in meaning."""
        moved, plain = self.scores(query, language)
        return Found(
            query=query,
            hits=self._split.hits(moved, language, limit),
            confidence=_sureness(plain, moved),
        )


class Hybrid:
    """Words and meaning, their ranks fused. Confidence is the cosine of the first passage."""

    def __init__(self, passages: Sequence[Passage], lexical: Lexical, dense: Dense) -> None:
        self._split = _ByOwnLanguage(passages)
        self._lexical = lexical
        self._dense = dense

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        """The passages that stand high in both lists."""
        moved, plain = self._dense.scores(query, language)
        fused = reciprocal_rank_fusion([self._lexical.scores(query, language), moved])
        return Found(query=query, hits=self._split.hits(fused, language, limit), confidence=_sureness(plain, fused))


class ByLanguage:
    """One retriever per language."""

    def __init__(self, retrievers: Mapping[str, Retriever]) -> None:
        self._retrievers = dict(retrievers)

    def search(self, query: str, language: str, limit: int = 10) -> Found:
        """What the language's own retriever finds."""
        return self._retrievers[language].search(query, language, limit)


def adapted(vectors: Vectors, adapter: Vectors) -> Vectors:
    """Vectors moved by a residual linear map and brought back to unit length, shape (texts, dimensions)."""
    moved = vectors + vectors @ adapter
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    scaled: Vectors = (moved / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def best(scores: NDArray[np.floating], limit: int) -> list[int]:
    """Places of the highest scores above zero, highest first, ties in their own order."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return [int(index) for index in order if scores[index] > 0]


def reciprocal_rank_fusion(lists: Sequence[NDArray[np.floating]], *, k: int = RRF_K) -> NDArray[np.float64]:
    """The sum of 1 / (k + rank) over score lists; rank 1 is the highest score, ties in their own order."""
    fused = np.zeros(len(lists[0]))
    for scores in lists:
        ranks = np.empty(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        fused += 1.0 / (k + ranks)
    return fused


def _sureness(cosines: NDArray[np.float32], ranking: NDArray[np.floating]) -> float:
    if not len(ranking):
        return 0.0
    return float(min(1.0, max(0.0, cosines[int(np.argmax(ranking))])))
