"""What answers took: mean, sum and quantiles of milliseconds, tokens, money."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import regression
from aiplatform.eval.measures.exactly import mean
from aiplatform.eval.measures.registry import Definition, Recipe
from aiplatform.eval.measures.usage import UsageCollector
from aiplatform.eval.model import MetricKind, Unit

_FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "mean": {"of": "mean"},
    "sum": {"of": "sum"},
    "max": {"of": "max"},
    **{f"p{share}": {"of": f"p{share}"} for share in (50, 90, 95, 99)},
}


def _usage(what: str, of: str = "mean", column: str | None = None) -> Recipe:
    if of not in _FORMS:
        raise ValueError(f"of is one of {', '.join(_FORMS)}, not {of!r}")
    collector = UsageCollector(what, column or what, of_distribution=of == "max" or of.startswith("p"))
    if of == "mean":
        return Recipe(collector=collector, finish=mean(), kind=MetricKind.MEAN, row_values=collector.row_values)
    if of == "sum":
        return Recipe(collector=collector, finish=regression.summed)
    if of == "max":
        return Recipe(collector=collector, finish=regression.largest)
    return Recipe(collector=collector, finish=regression.at_share(int(of[1:]) / 100), kind=MetricKind.QUANTILE)


def _definition(name: str, says: str, unit: Unit = Unit.NONE) -> Definition:
    return Definition(
        name=name,
        family="usage",
        says=says,
        reference="numpy.mean, numpy.quantile",
        package="numpy",
        bounds="0..",
        interval="t, order_statistics",
        needs=f"{name}, or usage in the output",
        make=partial(_usage, name),
        forms=_FORMS,
        unit=unit,
        lower_is_better=True,
    )


DEFINITIONS: Final = (
    _definition("latency_ms", N_("how long answers took"), Unit.MILLISECONDS),
    _definition("tokens", N_("tokens of question and answer")),
    _definition("input_tokens", N_("tokens of the question")),
    _definition("output_tokens", N_("tokens of the answer")),
    _definition("cost", N_("money that answers took")),
)
