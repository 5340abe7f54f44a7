"""Metrics of several labels a row, as scikit-learn defines them."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import multilabel
from aiplatform.eval.measures.exactly import mean
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import AVERAGES, Definition, Recipe
from aiplatform.eval.measures.strings import RowCollector
from aiplatform.eval.model import MetricKind


def _share(
    which: str,
    average: str | None = "macro",
    beta: float = 1.0,
    zero_division: float = 0.0,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    if average == "samples":
        function = multilabel.of_row(which, beta, zero_division)
        return _of_rows(function, (which, beta, zero_division), expected, output, is_proportion=False)
    if average not in {"macro", "micro", "weighted", None}:
        raise ValueError(f"an average is 'macro', 'micro', 'weighted', 'samples' or None, not {average!r}")
    finish = multilabel.over_labels(which, average, beta, zero_division)
    return Recipe(collector=multilabel.LabelsCollector(expected, output), finish=finish)


def _hamming(expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return Recipe(collector=multilabel.LabelsCollector(expected, output), finish=multilabel.hamming)


def _subset(expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    function = multilabel.of_row("subset", 1.0, 0.0)
    return _of_rows(function, ("subset",), expected, output, is_proportion=True)


def _of_rows(function: Any, key: tuple[Any, ...], expected: str, output: str, *, is_proportion: bool) -> Recipe:
    collector = RowCollector(function, ("multilabel", *key), expected, output)
    finish = mean(is_proportion=is_proportion)
    kind = MetricKind.PROPORTION if is_proportion else MetricKind.MEAN
    return Recipe(collector=collector, finish=finish, kind=kind, row_values=collector.row_values)


def _definition(name: str, says: str, function: str, make: Any, **more: Any) -> Definition:
    return Definition(
        name=name,
        family="multilabel",
        says=says,
        reference=f"sklearn.metrics.{function}",
        package="scikit-learn",
        make=make,
        **{"bounds": "0..1", "interval": "", "needs": "lists of labels, or 0 and 1 by place", **more},
    )


_FORMS: Final = {**AVERAGES, "samples": {"average": "samples"}}

DEFINITIONS: Final = (
    _definition(
        "multilabel_precision", N_("precision of labels"), "precision_score", partial(_share, "precision"), forms=_FORMS
    ),
    _definition("multilabel_recall", N_("recall of labels"), "recall_score", partial(_share, "recall"), forms=_FORMS),
    _definition("multilabel_f1", N_("F1 of labels"), "f1_score", partial(_share, "f"), forms=_FORMS),
    _definition(
        "multilabel_jaccard", N_("overlap of labels"), "jaccard_score", partial(_share, "jaccard"), forms=_FORMS
    ),
    _definition(
        "subset_accuracy", N_("share of rows with all labels right"), "accuracy_score", _subset, interval="wilson"
    ),
    _definition("hamming_loss", N_("share of labels that are wrong"), "hamming_loss", _hamming, lower_is_better=True),
)
