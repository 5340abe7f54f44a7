"""Metrics of rankings and of tool calls: one number a row, and their mean."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import retrieval, trajectories
from aiplatform.eval.measures.exactly import mean
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import Definition, Recipe
from aiplatform.eval.measures.strings import RowCollector
from aiplatform.eval.model import MetricKind


def _ranked(which: str, k: int | None = None, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    if k is not None and k < 1:
        raise ValueError(f"k is 1 or more, not {k}")
    function = retrieval.on_query(retrieval.FUNCTIONS[which], k)
    return _of_rows(function, (which, k), expected, output, is_proportion=which == "hit")


def _called(which: str, names_only: bool = False, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    function = trajectories.on_calls(trajectories.FUNCTIONS[which], names_only=names_only)
    is_proportion = which in {"trajectory_exact", "trajectory_in_order", "trajectory_any_order"}
    return _of_rows(function, (which, names_only), expected, output, is_proportion=is_proportion)


def _of_rows(function: Any, key: tuple[Any, ...], expected: str, output: str, *, is_proportion: bool) -> Recipe:
    collector = RowCollector(function, key, expected, output)
    kind = MetricKind.PROPORTION if is_proportion else MetricKind.MEAN
    finish = mean(is_proportion=is_proportion)
    return Recipe(collector=collector, finish=finish, kind=kind, row_values=collector.row_values)


def _ranking(name: str, which: str, says: str, reference: str, **more: Any) -> Definition:
    return Definition(
        name=name,
        family="retrieval",
        says=says,
        reference=reference,
        package="",
        make=partial(_ranked, which),
        **{"bounds": "0..1", "interval": "t", "needs": "expected ids or grades, ranked output", **more},
    )


def _calls(name: str, says: str, interval: str) -> Definition:
    return Definition(
        name=name,
        family="tool calls",
        says=says,
        reference="",
        package="",
        bounds="0..1",
        interval=interval,
        needs="expected and made calls",
        make=partial(_called, name),
    )


_RETRIEVAL: Final = "torchmetrics.retrieval.Retrieval"

DEFINITIONS: Final = (
    _ranking("precision@k", "precision", N_("share of the first k that is wanted"), f"{_RETRIEVAL}Precision"),
    _ranking("recall@k", "recall", N_("share of what is wanted among the first k"), f"{_RETRIEVAL}Recall"),
    _ranking("hit@k", "hit", N_("something wanted among the first k"), f"{_RETRIEVAL}HitRate", interval="wilson"),
    _ranking("r_precision", "r_precision", N_("precision at as many as are wanted"), f"{_RETRIEVAL}RPrecision"),
    _ranking("mrr", "mrr", N_("one over the rank of the first that is wanted"), f"{_RETRIEVAL}MRR"),
    _ranking("map", "map", N_("mean precision at each that is wanted"), f"{_RETRIEVAL}MAP"),
    _ranking("ndcg", "ndcg", N_("discounted gain over the best possible"), "sklearn.metrics.ndcg_score"),
    _calls("trajectory_exact", N_("the same calls in the same order"), "wilson"),
    _calls("trajectory_in_order", N_("the expected calls in their order"), "wilson"),
    _calls("trajectory_any_order", N_("the expected calls in any order"), "wilson"),
    _calls("trajectory_precision", N_("share of the calls that were expected"), "t"),
    _calls("trajectory_recall", N_("share of the expected calls that were made"), "t"),
)
