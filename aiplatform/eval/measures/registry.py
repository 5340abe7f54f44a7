"""Every metric by name, with what defines it. The page of metrics in the documentation is made of this."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import Block
from aiplatform.eval.measures.measure import Collector, Finish, Measure, RowValues
from aiplatform.eval.measures.naming import Metric, parsed
from aiplatform.eval.model import MetricKind, Unit

Wanted = str | Metric | Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a definition makes of parameters."""

    collector: Collector
    finish: Finish
    kind: MetricKind | None = None
    row_values: Callable[[Block], RowValues] | None = None
    """The number of each row, where the metric is their mean."""

    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One metric of the registry."""

    name: str
    family: str
    says: str
    """What it tells, in a few words."""

    reference: str
    """The function that defines it."""

    package: str
    """The distribution that the function comes with; empty where the definition is our own."""

    bounds: str
    """Smallest and largest value: `0..1`."""

    interval: str
    needs: str = "expected, output"
    make: Callable[..., Recipe]
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Endings of the name, and the parameters that they stand for: `macro` -> `average="macro"`."""

    kind: MetricKind = MetricKind.CORPUS
    lower_is_better: bool = False
    unit: Unit = Unit.NONE

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it can be called with, and the defaults."""
        return {each.name: each.default for each in inspect.signature(self.make).parameters.values()}

    def measure(self, metric: Metric) -> Measure:
        """The metric with its parameters.

        Raises:
            InvalidError: It takes no such parameter, or not that value.
        """
        unknown = sorted(metric.parameters.keys() - self.parameters.keys())
        if unknown:
            raise InvalidError(
                N_("The metric {name!r} takes no parameter {parameter!r}."),
                hint=N_("It takes {known}."),
                reason="metric.parameter",
                name=metric.base,
                parameter=unknown[0],
                known=", ".join(self.parameters),
            )
        try:
            recipe = self.make(**metric.parameters)
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidError(
                N_("The metric {name!r} cannot be made: {problem}"),
                reason="metric.parameter",
                name=metric.name,
                problem=str(error),
            ) from None
        return Measure(
            name=metric.name,
            family=self.family,
            reference=self.reference,
            collector=recipe.collector,
            finish=recipe.finish,
            kind=recipe.kind or self.kind,
            lower_is_better=self.lower_is_better,
            unit=self.unit,
            row_values=recipe.row_values,
            details=self._told(metric, recipe),
        )

    def _told(self, metric: Metric, recipe: Recipe) -> Mapping[str, Any]:
        told: dict[str, Any] = {"reference": self.reference}
        if self.package and (installed := _version(self.package)):
            told["version"] = f"{self.package} {installed}"
        given = {key: value for key, value in metric.parameters.items() if key not in {"expected", "output"}}
        return {**told, **({"parameters": given} if given else {}), **recipe.details}


def definitions() -> Mapping[str, Definition]:
    """Every metric by its name."""
    return _all()


def resolve(wanted: Sequence[Wanted]) -> tuple[Measure, ...]:
    """The metrics that a caller asks for.

    Raises:
        InvalidError: A name is unknown or occurs twice, or a parameter is wrong.
    """
    found = tuple(resolved(each) for each in wanted)
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidError(N_("Two metrics are named {name!r}."), reason="metric.repeated", name=name)
    return found


def resolved(wanted: Wanted) -> Measure:
    """One metric.

    Raises:
        InvalidError: There is none of that name, or a parameter is wrong.
    """
    if isinstance(wanted, Measure):
        return wanted
    asked = parsed(wanted) if isinstance(wanted, str) else wanted
    known = definitions()
    if asked.base in known and not ("k" in asked.parameters and f"{asked.base}@k" in known):
        return known[asked.base].measure(asked)
    if "k" in asked.parameters and f"{asked.base}@k" in known:
        return known[f"{asked.base}@k"].measure(asked)
    base, _, ending = asked.base.rpartition("_")
    while base:
        if base in known and ending in known[base].forms:
            parameters = {**known[base].forms[ending], **asked.parameters}
            return known[base].measure(replace(asked, base=base, parameters=parameters, alias=asked.name))
        base, _, more = base.rpartition("_")
        ending = f"{more}_{ending}"
    raise InvalidError(
        N_("There is no metric {name!r}."),
        hint=N_("There are {known}."),
        reason="metric.unknown",
        name=asked.base,
        known=", ".join(known),
    )


@cache
def _all() -> Mapping[str, Definition]:
    from aiplatform.eval.measures import definitions as tables  # noqa: PLC0415 - they are made of this module's parts

    found: dict[str, Definition] = {}
    for each in tables.ALL:
        if each.name in found:
            raise ValueError(f"two definitions are named {each.name}")
        found[each.name] = each
    return found


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


AVERAGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "macro": {"average": "macro"},
    "micro": {"average": "micro"},
    "weighted": {"average": "weighted"},
    "per_class": {"average": None},
}
