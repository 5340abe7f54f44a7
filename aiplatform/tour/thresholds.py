"""The confidence from which on a version answers: chosen on one half of the questions, judged on the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiplatform.eval.statistics.hashing import is_held_out
from aiplatform.eval.statistics.ranking import ScoreCounts
from aiplatform.tour.model import Question, Retriever
from aiplatform.tour.rewrite import keywords


def confidence(retriever: Retriever, question: Question) -> float:
    """The confidence that the assistant comes to: of the question as asked or as rewritten, the higher."""
    queries = dict.fromkeys([question.question, keywords(question.question)])
    return max(retriever.search(query, question.language, limit=1).confidence for query in queries)


def choose_threshold(retriever: Retriever, questions: Sequence[Question]) -> float:
    """The threshold that best tells questions with an answer from those without, on the half that is set aside.

    Evaluation reports false answers on the other half, and chooses by the same rule on the same half.
    """
    half = [question for question in questions if is_held_out(question.question_id)]
    counts = ScoreCounts()
    scores = np.array([confidence(retriever, question) for question in half], dtype=np.float64)
    counts.add(scores, np.array([question.answerable for question in half], dtype=np.bool_))
    return counts.best_threshold() or 0.0
