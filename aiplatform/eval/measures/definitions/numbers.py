"""Metrics of numbers, as scikit-learn and scipy define them."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import regression
from aiplatform.eval.measures.exactly import mean
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT
from aiplatform.eval.measures.registry import Definition, Recipe
from aiplatform.eval.model import MetricKind


def _errors(of: str, finish: Any, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    collector = regression.ErrorsCollector(of, expected, output)
    # The root of a mean is no mean of rows.
    is_mean = finish is not regression.root_of_mean
    return Recipe(collector=collector, finish=finish, row_values=collector.row_values if is_mean else None)


def _from(collector: Any, finish: Any, expected: str = EXPECTED, output: str = OUTPUT) -> Recipe:
    return Recipe(collector=collector(expected, output), finish=finish)


def _definition(name: str, says: str, reference: str, make: Any, **more: Any) -> Definition:
    package = "scipy" if reference.startswith("scipy") else "scikit-learn"
    return Definition(
        name=name,
        family="regression",
        says=says,
        reference=reference,
        package=package,
        make=make,
        **{"bounds": "0..", "interval": "t", "lower_is_better": True, **more},
    )


_CORRELATION: Final[dict[str, Any]] = {"bounds": "-1..1", "interval": "fisher", "lower_is_better": False}
_EXPLAINED: Final[dict[str, Any]] = {"bounds": "..1", "interval": "", "lower_is_better": False}

DEFINITIONS: Final = (
    _definition(
        "mae", N_("mean absolute error"), "sklearn.metrics.mean_absolute_error", partial(_errors, "absolute", mean()),
        kind=MetricKind.MEAN,
    ),
    _definition(
        "mse", N_("mean squared error"), "sklearn.metrics.mean_squared_error", partial(_errors, "squared", mean()),
        kind=MetricKind.MEAN,
    ),
    _definition(
        "rmse", N_("root of the mean squared error"), "sklearn.metrics.root_mean_squared_error",
        partial(_errors, "squared", regression.root_of_mean),
    ),
    _definition(
        "mape", N_("mean absolute error as a share of the truth"), "sklearn.metrics.mean_absolute_percentage_error",
        partial(_errors, "relative", mean()), kind=MetricKind.MEAN,
    ),
    _definition(
        "median_ae", N_("median absolute error"), "sklearn.metrics.median_absolute_error",
        partial(_from, regression.AbsoluteErrorsCollector, regression.median), interval="order_statistics",
    ),
    _definition(
        "max_error", N_("largest absolute error"), "sklearn.metrics.max_error",
        partial(_from, regression.AbsoluteErrorsCollector, regression.largest), interval="",
    ),
    _definition(
        "r2", N_("share of the spread that is explained"), "sklearn.metrics.r2_score",
        partial(_from, regression.ProductsCollector, regression.r_squared), **_EXPLAINED,
    ),
    _definition(
        "explained_variance", N_("share of the spread that is explained, a constant error forgiven"),
        "sklearn.metrics.explained_variance_score",
        partial(_from, regression.ProductsCollector, regression.explained_variance), **_EXPLAINED,
    ),
    _definition(
        "pearson", N_("linear correlation"), "scipy.stats.pearsonr",
        partial(_from, regression.ProductsCollector, regression.pearson), **_CORRELATION,
    ),
    _definition(
        "spearman", N_("correlation of ranks"), "scipy.stats.spearmanr",
        partial(_from, regression.PairsCollector, regression.spearman), **_CORRELATION,
    ),
    _definition(
        "kendall", N_("agreement of orders, tau-b"), "scipy.stats.kendalltau",
        partial(_from, regression.PairsCollector, regression.kendall), **_CORRELATION,
    ),
)  # fmt: skip
