"""Metrics of scores and probabilities, as scikit-learn and torchmetrics define them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import scores, vectors
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import Definition, Recipe
from aiplatform.eval.model import MetricKind

_FAMILY: Final = "probabilities"


def _roc_auc(
    multi_class: str = "raise",
    average: str = "macro",
    label: Any = None,
    labels: Sequence[Any] | None = None,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    if multi_class not in {"raise", "ovr", "ovo"} or average not in {"macro", "weighted"}:
        raise ValueError("multi_class is 'ovr' or 'ovo', average is 'macro' or 'weighted'")
    if multi_class == "raise":
        return Recipe(
            collector=scores.ScoresCollector(expected, output),
            finish=scores.area("roc_auc_score", label),
            kind=MetricKind.AUC,
        )
    finish = vectors.with_labels(vectors.areas(multi_class, average), labels)
    return Recipe(collector=vectors.VectorsCollector("ranks", 0, expected, output), finish=finish)


def _average_precision(label: Any = None, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    finish = scores.area("average_precision_score", label)
    return Recipe(collector=scores.ScoresCollector(expected, output), finish=finish)


def _ece(
    bins: int = 15,
    multiclass: bool = False,
    label: Any = None,
    labels: Sequence[Any] | None = None,
    expected: str = EXPECTED,
    output: str = OUTPUT,
) -> Recipe:
    if bins < 1:
        raise ValueError(f"bins are 1 or more, not {bins}")
    if multiclass:
        finish = vectors.with_labels(vectors.calibration, labels)
        return Recipe(collector=vectors.VectorsCollector("bins", bins, expected, output), finish=finish)
    return Recipe(collector=scores.ScoresCollector(expected, output), finish=scores.calibration(bins, label))


def _loss(of: str, labels: Sequence[Any] | None = None, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    function = vectors.mean_loss if of == "log" else vectors.mean_brier
    finish = vectors.with_labels(function, labels)
    return Recipe(collector=vectors.VectorsCollector(of, 0, expected, output), finish=finish)


def _top_k(k: int = 2, labels: Sequence[Any] | None = None, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    finish = vectors.with_labels(vectors.in_top, labels)
    return Recipe(collector=vectors.VectorsCollector("top", k, expected, output), finish=finish)


def _definition(name: str, says: str, reference: str, make: Any, **more: Any) -> Definition:
    package = "" if reference.startswith("torchmetrics") else "scikit-learn"
    return Definition(
        name=name,
        family=_FAMILY,
        says=says,
        reference=reference,
        package=package,
        make=make,
        **{"bounds": "0..1", "interval": "", **more},
    )


DEFINITIONS: Final = (
    _definition(
        "roc_auc", N_("chance that a positive scores above a negative"), "sklearn.metrics.roc_auc_score", _roc_auc,
        interval="delong_logit",
        forms={
            "ovr": {"multi_class": "ovr"},
            "ovo": {"multi_class": "ovo"},
            "ovr_weighted": {"multi_class": "ovr", "average": "weighted"},
            "ovo_weighted": {"multi_class": "ovo", "average": "weighted"},
        },
    ),
    _definition(
        "average_precision", N_("area under precision and recall"), "sklearn.metrics.average_precision_score",
        _average_precision, interval="bootstrap",
    ),
    _definition(
        "pr_auc", N_("area under precision and recall"), "sklearn.metrics.average_precision_score",
        _average_precision, interval="bootstrap",
    ),
    _definition(
        "log_loss", N_("mean surprise at the true class"), "sklearn.metrics.log_loss", partial(_loss, "log"),
        interval="t", bounds="0..", lower_is_better=True,
    ),
    _definition(
        "brier", N_("mean squared error of probabilities"), "sklearn.metrics.brier_score_loss",
        partial(_loss, "brier"), interval="t", lower_is_better=True, bounds="0..2",
    ),
    _definition(
        "ece", N_("gap between probability and share"), "torchmetrics.CalibrationError", _ece,
        forms={"multiclass": {"multiclass": True}}, lower_is_better=True,
    ),
    _definition(
        "top_k_accuracy", N_("share of rows whose class is among the k most probable"),
        "sklearn.metrics.top_k_accuracy_score", _top_k, interval="wilson", kind=MetricKind.PROPORTION,
    ),
)  # fmt: skip
