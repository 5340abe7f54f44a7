"""What stands in for a judge where no model is configured, and says so by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

from aiplatform.eval.builtin_scorers import normalized
from aiplatform.eval.embeddings import MODEL_NAME, WEIGHTS_SHA256, MiniLM
from aiplatform.eval.judging.material import text_of
from aiplatform.eval.model import MetricKind
from aiplatform.eval.scorers import Row, Score, Scorer

EMBEDDING_NAME: Final = "relevance_embedding"
LEXICAL_NAME: Final = "correctness_lexical"
VERSION: Final = "1"


def embedding_relevance(name: str = "") -> Scorer:
    """Cosine similarity of question and answer, no less than 0: whether they are about the same thing, no more."""
    return Scorer(
        function=_Similarity(),
        name=f"{name}_embedding" if name else EMBEDDING_NAME,
        version=VERSION,
        parameters={"judge": "embedding heuristic", "model": MODEL_NAME, "weights": WEIGHTS_SHA256},
        kind=MetricKind.MEAN,
    )


def lexical_correctness(name: str = "") -> Scorer:
    """The words that answer and reference share, as F1: blind to negation, numbers and paraphrase."""
    return Scorer(
        function=_shared_words,
        name=f"{name}_lexical" if name else LEXICAL_NAME,
        version=VERSION,
        parameters={"judge": "lexical heuristic"},
        kind=MetricKind.MEAN,
    )


@dataclass(frozen=True, slots=True)
class _Similarity:
    def __call__(self, row: Row) -> Score:
        question, answer = text_of(row.input), text_of(row.output)
        if not question.strip() or not answer.strip():
            return Score(0.0, "embedding heuristic: one of the two is empty")
        left, right = _encoder().encode([question, answer])
        return Score(max(0.0, min(1.0, float(left @ right))), "embedding heuristic")


def _shared_words(row: Row) -> Score:
    if row.expected in (None, ""):
        return Score(None, "nothing is expected")
    answer, reference = (Counter(normalized(text_of(each)).split()) for each in (row.output, row.expected))
    shared = (answer & reference).total()
    both = answer.total() + reference.total()
    return Score(2 * shared / both if both else 1.0, "lexical heuristic")


@cache
def _encoder() -> MiniLM:
    return MiniLM()
