"""Rankings against what should be found: one number a query, and the mean over queries.

A query's output is a ranking (ids, or records with an `id`; also under `retrieved`), best first; its expectation is
the ids that should be found, or grades by id. An output of numbers with grades of the same length, in place, is a
ranking by those scores, as torchmetrics and scikit-learn take them; where nothing should be found, it scores 0 as
theirs does, while a row of ids does not apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aiplatform.eval.statistics.exact import Floats


@dataclass(frozen=True, slots=True)
class Query:
    """One ranking: the grade of each that was found, best first, and the grades of all there are."""

    found: tuple[float, ...]
    grades: tuple[float, ...]
    """Largest first."""

    ties: tuple[tuple[float, float], ...] = ()
    """Score and grade of each, where the ranking came as scores."""

    @property
    def num_relevant(self) -> int:
        """How many should be found."""
        return sum(grade > 0 for grade in self.grades)


def query_of(expected: Any, output: Any) -> Query | None:
    """The query that a row holds; None where nothing should be found.

    Raises:
        ValueError: The output is no ranking.
    """
    if isinstance(output, Mapping):
        output = output.get("retrieved")
    if isinstance(expected, Mapping) and "ids" in expected:
        expected = expected["ids"]
    if _is_numbers(output) and _is_numbers(expected) and len(output) == len(expected) and not _is_ids(output, expected):
        return _of_scores([float(each) for each in expected], [float(each) for each in output])
    if output is None or isinstance(output, str) or not isinstance(output, Sequence):
        raise ValueError("the output holds no `retrieved`")
    if isinstance(expected, Mapping):
        grades = {str(each): float(grade) for each, grade in expected.items()}
    else:
        wanted = [expected] if isinstance(expected, str | int) else expected or []
        grades = {_id(each): 1.0 for each in wanted}
    if not any(grade > 0 for grade in grades.values()):
        return None
    ids = dict.fromkeys(_id(each) for each in output)
    return Query(tuple(grades.get(each, 0.0) for each in ids), tuple(sorted(grades.values(), reverse=True)))


QueryFunction = Callable[[Query, int | None], float]


def on_query(function: QueryFunction, k: int | None) -> Callable[[Any, Any], float | None]:
    """A function of a row's expectation and output."""

    def score(expected: Any, output: Any) -> float | None:
        query = query_of(expected, output)
        return None if query is None else function(query, k)

    return score


def precision(query: Query, k: int | None) -> float:
    """Share of the first k that should be found; fewer than k found count as misses."""
    size = k or len(query.found)
    return _share(_hits(query, size), size)


def recall(query: Query, k: int | None) -> float:
    """Share of what should be found that is among the first k."""
    return _share(_hits(query, k or len(query.found)), query.num_relevant)


def hit(query: Query, k: int | None) -> float:
    """1 where something that should be found is among the first k."""
    return float(_hits(query, k or len(query.found)) > 0)


def r_precision(query: Query, k: int | None) -> float:
    """Share of the first R that should be found, R of them in all."""
    return _share(_hits(query, query.num_relevant), query.num_relevant)


def reciprocal_rank(query: Query, k: int | None) -> float:
    """One over the rank of the first that should be found; 0 where none is among the first k."""
    for rank, grade in enumerate(query.found[:k], 1):
        if grade > 0:
            return 1.0 / rank
    return 0.0


def average_precision(query: Query, k: int | None) -> float:
    """The mean precision at each that should be found, of those among the first k."""
    hits, total = 0, []
    for rank, grade in enumerate(query.found[:k], 1):
        if grade > 0:
            hits += 1
            total.append(hits / rank)
    # Cut at k, the reference divides by those that were found there.
    wanted = query.num_relevant if k is None else hits
    return math.fsum(total) / wanted if wanted else 0.0


def ndcg(query: Query, k: int | None) -> float:
    """Discounted gain over the best there could be; the gain is the grade itself, as scikit-learn has it."""
    size = max(len(query.grades), len(query.found))
    limit = min(k or size, size)
    ideal = math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(query.grades[:limit], 1))
    if ideal == 0.0:
        return 0.0
    if query.ties:
        return _dcg_of_ties(query.ties, limit) / ideal
    return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(query.found[:limit], 1)) / ideal


FUNCTIONS: Final[Mapping[str, QueryFunction]] = {
    "precision": precision,
    "recall": recall,
    "hit": hit,
    "r_precision": r_precision,
    "mrr": reciprocal_rank,
    "map": average_precision,
    "ndcg": ndcg,
}


def _dcg_of_ties(ties: Sequence[tuple[float, float]], limit: int) -> float:
    """Rows of one score share their grades: the mean over every order of theirs, as scikit-learn takes it.

    Source:
        McSherry and Najork 2008, "Computing information retrieval performance measures efficiently".
    """
    scores: Floats = np.array([score for score, _ in ties])
    grades: Floats = np.array([grade for _, grade in ties])
    discounts = [1.0 / math.log2(rank + 1) if rank <= limit else 0.0 for rank in range(1, len(ties) + 1)]
    total: list[float] = []
    place = 0
    for score in sorted(set(scores.tolist()), reverse=True):
        these = grades[scores == score].tolist()
        total.append(math.fsum(these) / len(these) * math.fsum(discounts[place : place + len(these)]))
        place += len(these)
    return math.fsum(total)


def _of_scores(grades: Sequence[float], scores: Sequence[float]) -> Query:
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return Query(
        tuple(grades[place] for place in order),
        tuple(sorted(grades, reverse=True)),
        tuple((scores[place], grades[place]) for place in order),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _hits(query: Query, size: int) -> int:
    return sum(grade > 0 for grade in query.found[:size])


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, int | float) for each in value)


def _is_ids(output: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether two lists of whole numbers are ids: scores have fractions, grades and truth values are small."""
    return all(isinstance(each, int) and not isinstance(each, bool) for each in (*output, *expected))


def _id(value: Any) -> str:
    return str(value["id"]) if isinstance(value, Mapping) else str(value)
