"""BM25, for English by words and for Chinese by character bigrams."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

K1: Final = 1.2
B: Final = 0.75

_PARTS: Final = re.compile(r"[a-z0-9_]+|[\u3400-\u9fff]+")
_IDEOGRAPH: Final = re.compile(r"[\u3400-\u9fff]")


def terms(text: str) -> list[str]:
    """What BM25 counts: words in lower case; of Chinese every two neighbouring characters (a lone one as itself)."""
    found: list[str] = []
    for part in _PARTS.findall(text.lower()):
        if not _IDEOGRAPH.match(part) or len(part) == 1:
            found.append(part)
        else:
            found.extend(part[place : place + 2] for place in range(len(part) - 1))
    return found


class BM25:
    """An index over texts; scores come back in the order of the texts.

    Source:
        Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", with the idf of Lucene, which is never
        negative.
    """

    def __init__(self, texts: Sequence[str], *, k1: float = K1, b: float = B) -> None:
        counts = [Counter(terms(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
        mean_length = float(lengths.mean()) if len(texts) else 0.0
        norms = k1 * (1 - b + b * lengths / mean_length) if mean_length else lengths
        self._size = len(texts)
        self._k1 = k1
        postings: dict[str, list[tuple[int, int]]] = {}
        for place, count in enumerate(counts):
            for term, times in count.items():
                postings.setdefault(term, []).append((place, times))
        self._postings: dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
        self._idf: dict[str, float] = {}
        for term, entries in postings.items():
            places = np.array([place for place, _ in entries], dtype=np.intp)
            counted = np.array([count for _, count in entries], dtype=np.float64)
            self._idf[term] = math.log(1 + (self._size - len(entries) + 0.5) / (len(entries) + 0.5))
            self._postings[term] = (places, self._idf[term] * counted * (k1 + 1) / (counted + norms[places]))

    def scores(self, query: str) -> NDArray[np.float64]:
        """One score per text, shape (texts,); 0 where no term is shared."""
        total = np.zeros(self._size)
        for term, times in Counter(terms(query)).items():
            if term in self._postings:
                places, weights = self._postings[term]
                total[places] += times * weights
        return total

    def ceiling(self, query: str) -> float:
        """The score that no text can exceed: every term of the query, saturated. Unknown terms count as the rarest."""
        rarest = math.log(1 + (self._size + 0.5) / 0.5)
        return sum(
            times * self._idf.get(term, rarest) * (self._k1 + 1) for term, times in Counter(terms(query)).items()
        )
