"""Metrics of classes, as scikit-learn defines them."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import classification
from aiplatform.eval.measures.classification import ConfusionCollector, of_confusion
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import AVERAGES, Definition, Recipe
from aiplatform.eval.model import MetricKind

_DRAWN: Final = "bootstrap"
_FAMILY: Final = "classification"


def _accuracy(expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    collector = ConfusionCollector(expected, output)
    return Recipe(collector=collector, finish=classification.accuracy, row_values=collector.row_values)


def _matrix(expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return Recipe(collector=ConfusionCollector(expected, output), finish=classification.confusion_matrix)


def _balanced(adjusted: bool = False, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    finish = of_confusion(*classification.balanced_accuracy(adjusted=adjusted))
    return Recipe(collector=ConfusionCollector(expected, output), finish=finish)


def _matthews(expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return Recipe(collector=ConfusionCollector(expected, output), finish=of_confusion(*classification.matthews()))


def _kappa(weights: str | None = None, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    if weights not in {None, "linear", "quadratic"}:
        raise ValueError(f"weights are None, 'linear' or 'quadratic', not {weights!r}")
    return Recipe(collector=ConfusionCollector(expected, output), finish=of_confusion(*classification.kappa(weights)))


def _share(
    which: str,
    average: str | None = "binary",
    label: Any = None,
    zero_division: float = 0.0,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    return _of_f(which, 1.0, average, label, zero_division, expected, output)


def _fbeta(
    beta: float = 1.0,
    average: str | None = "binary",
    label: Any = None,
    zero_division: float = 0.0,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    return _of_f("f", beta, average, label, zero_division, expected, output)


def _f1(
    average: str | None = "binary",
    label: Any = None,
    zero_division: float = 0.0,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    return _of_f("f", 1.0, average, label, zero_division, expected, output)


def _of_f(
    which: str, beta: float, average: str | None, label: Any, zero_division: float, expected: str, output: str
) -> Recipe:
    collector = ConfusionCollector(expected, output)
    if average in {"binary", None}:
        is_binary = average == "binary" and label is None
        only = 1 if is_binary else label
        finish = classification.per_class(which, beta=beta, zero_division=zero_division, only=only, is_binary=is_binary)
        return Recipe(collector=collector, finish=finish)
    if average not in {"macro", "micro", "weighted"}:
        raise ValueError(f"an average is 'binary', 'macro', 'micro', 'weighted' or None, not {average!r}")
    reference, on_sides = classification.averaged(which, average, beta=beta, zero_division=zero_division)
    return Recipe(collector=collector, finish=of_confusion(reference, on_sides))


def _definition(name: str, says: str, function: str, make: Any, **more: Any) -> Definition:
    return Definition(
        name=name,
        family=_FAMILY,
        says=says,
        reference=f"sklearn.metrics.{function}",
        package="scikit-learn",
        make=make,
        **{"bounds": "0..1", "interval": _DRAWN, **more},
    )


DEFINITIONS: Final = (
    _definition(
        "accuracy", N_("share of right classes"), "accuracy_score", _accuracy, interval="wilson",
        kind=MetricKind.PROPORTION,
    ),
    _definition("balanced_accuracy", N_("mean recall of the classes"), "balanced_accuracy_score", _balanced),
    _definition(
        "precision", N_("share of right ones among those given a class"), "precision_score",
        partial(_share, "precision"), forms=AVERAGES,
    ),
    _definition(
        "recall", N_("share of a class that was found"), "recall_score", partial(_share, "recall"), forms=AVERAGES
    ),
    _definition("f1", N_("harmonic mean of precision and recall"), "f1_score", _f1, forms=AVERAGES),
    _definition("fbeta", N_("mean of precision and recall, weighed by beta"), "fbeta_score", _fbeta, forms=AVERAGES),
    _definition(
        "jaccard", N_("overlap of a class as given and as it is"), "jaccard_score", partial(_share, "jaccard"),
        forms=AVERAGES,
    ),
    _definition("mcc", N_("Matthews' correlation"), "matthews_corrcoef", _matthews, bounds="-1..1"),
    _definition(
        "cohen_kappa", N_("agreement beyond chance"), "cohen_kappa_score", _kappa, bounds="-1..1",
        forms={"linear": {"weights": "linear"}, "quadratic": {"weights": "quadratic"}},
    ),
    _definition(
        "confusion_matrix", N_("which class was taken for which"), "confusion_matrix", _matrix, interval="wilson",
        kind=MetricKind.PROPORTION,
    ),
)  # fmt: skip
