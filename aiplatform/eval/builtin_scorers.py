"""The scorers that come with the platform, by name: `exact_match`, `hit@5`, `mrr`, `recall@10`, `citation` ...

Retrieval scorers read `retrieved` (ids, best first) from the output and `ids` (what should be found) from the
expectation; both may also be plain lists. A row that expects nothing to be found is not applicable to them.
Abstention ranks the output's `confidence` against whether the row has an answer at all.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import MetricKind
from aiplatform.eval.scorers import Row, Score, Scorer

_AT: Final = re.compile(r"(?P<name>[a-z_]+)@(?P<k>[1-9]\d{0,3})")


def exact_match(row: Row) -> Score:
    """1 where output and expectation are the same text, but for case, width and spaces."""
    if row.expected is None:
        return Score(None, "nothing is expected")
    return Score(normalized(_text(row.output)) == normalized(_text(row.expected)))


def accuracy(row: Row) -> Score:
    """1 where output and expectation are equal, as they are."""
    return Score(None, "nothing is expected") if row.expected is None else Score(row.output == row.expected)


def hit_at(k: int) -> Callable[[Row], Score]:
    """1 where something expected is among the first `k`."""

    def hit(row: Row) -> Score:
        return _on_ranking(row, lambda found, wanted: float(any(each in wanted for each in found[:k])))

    return hit


def recall_at(k: int) -> Callable[[Row], Score]:
    """Share of what is expected that is among the first `k`."""

    def recall(row: Row) -> Score:
        return _on_ranking(row, lambda found, wanted: len(wanted & set(found[:k])) / len(wanted))

    return recall


def precision_at(k: int) -> Callable[[Row], Score]:
    """Share of the first `k` that is expected; fewer than `k` found count as misses."""

    def precision(row: Row) -> Score:
        return _on_ranking(row, lambda found, wanted: len(wanted & set(found[:k])) / k)

    return precision


def ndcg_at(k: int) -> Callable[[Row], Score]:
    """Normalised discounted cumulative gain of the first `k`, gain 1 for what is expected."""

    def ndcg(row: Row) -> Score:
        return _on_ranking(row, lambda found, wanted: _ndcg(found[:k], wanted, k))

    return ndcg


def reciprocal_rank(row: Row) -> Score:
    """One over the rank of the first that is expected; 0 where none is found."""
    return _on_ranking(
        row, lambda found, wanted: next((1 / rank for rank, each in enumerate(found, 1) if each in wanted), 0.0)
    )


def citation(row: Row) -> Score:
    """1 where what the answer quotes is among what is expected, and all of it. Abstaining is not applicable."""
    output = row.output if isinstance(row.output, Mapping) else {}
    cited = output.get("citations")
    wanted = _wanted(row)
    if not wanted:
        return Score(None, "nothing is expected to be cited")
    if output.get("abstained"):
        return Score(None, "abstained")
    if cited is None:
        raise ValueError("the output holds no `citations`")
    wrong = [each for each in _ids(cited) if each not in wanted]
    if not cited:
        return Score(False, "cites nothing")
    return Score(not wrong, f"cites {', '.join(wrong)}" if wrong else "")


def abstention(row: Row) -> Score:
    """The confidence of the output, labelled by whether the row has an answer at all."""
    output = row.output if isinstance(row.output, Mapping) else {}
    confidence = output.get("confidence")
    if confidence is None:
        raise ValueError("the output holds no `confidence`")
    return Score(float(confidence), label=answerable(row))


def answerable(row: Row) -> bool:
    """Whether the row has an answer: as its column `answerable` says, else whether anything is expected."""
    told = row.columns.get("answerable")
    return bool(told) if told is not None else bool(_wanted(row) or (row.expected and not _is_ranking(row.expected)))


def named(name: str) -> Scorer:
    """The built-in scorer of that name.

    Raises:
        InvalidError: There is none; the hint lists them.
    """
    if name in _PLAIN:
        function, kind = _PLAIN[name]
        return Scorer(function=function, name=name, kind=kind)
    match = _AT.fullmatch(name)
    if match and match["name"] in _RANKED:
        make, kind = _RANKED[match["name"]]
        k = int(match["k"])
        return Scorer(function=make(k), name=name, parameters={"k": k}, kind=kind)
    raise InvalidError(
        N_("There is no scorer {name!r}."),
        hint=N_("There are {known}; or give a function."),
        reason="scorer.unknown",
        name=name,
        known=", ".join([*_PLAIN, *(f"{ranked}@k" for ranked in _RANKED)]),
    )


def normalized(text: str) -> str:
    """Text without differences of width, case and spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


_PLAIN: Final[dict[str, tuple[Callable[[Row], Score], MetricKind | None]]] = {
    "exact_match": (exact_match, None),
    "accuracy": (accuracy, None),
    "mrr": (reciprocal_rank, MetricKind.MEAN),
    "citation": (citation, None),
    "abstention": (abstention, MetricKind.MEAN),
}
_RANKED: Final[dict[str, tuple[Callable[[int], Callable[[Row], Score]], MetricKind | None]]] = {
    "hit": (hit_at, None),
    "recall": (recall_at, MetricKind.MEAN),
    "precision": (precision_at, MetricKind.MEAN),
    "ndcg": (ndcg_at, MetricKind.MEAN),
}


def _on_ranking(row: Row, measure: Callable[[Sequence[str], frozenset[str]], float]) -> Score:
    wanted = _wanted(row)
    if not wanted:
        return Score(None, "nothing is expected to be found")
    found = row.output.get("retrieved") if isinstance(row.output, Mapping) else row.output
    if found is None or isinstance(found, str):
        raise ValueError("the output holds no `retrieved`")
    return Score(measure(list(dict.fromkeys(_ids(found))), wanted))


def _ndcg(found: Sequence[str], wanted: frozenset[str], k: int) -> float:
    gain = math.fsum(1 / math.log2(rank + 1) for rank, each in enumerate(found, 1) if each in wanted)
    ideal = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(len(wanted), k) + 1))
    return gain / ideal


def _wanted(row: Row) -> frozenset[str]:
    expected = row.expected
    if isinstance(expected, Mapping):
        expected = expected.get("ids")
    return frozenset(_ids(expected)) if _is_ranking(expected) else frozenset()


def _is_ranking(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))


def _ids(values: Sequence[Any]) -> list[str]:
    """Ids of a list of ids, or of records that have one."""
    return [str(value["id"]) if isinstance(value, Mapping) else str(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("answer", "")
    return "" if value is None else str(value)
