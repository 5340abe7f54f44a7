"""Facets of the list of traces as its page shows them: each choice a link to the list with that choice more or less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiplatform.core.i18n import N_
from aiplatform.tracing.facet_service import FacetGroup, FacetReport, Way
from aiplatform.tracing.facets import FACET_NAMES, Facet
from aiplatform.tracing.model import KIND_NAMES, STATUS_NAMES, SpanKind, Status
from aiplatform.ui import formatting
from aiplatform.ui.address import Address

if TYPE_CHECKING:
    from aiplatform.ui.site import Visit

_YES = N_("yes")
_NO = N_("no")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChoice:
    """One choice."""

    name: str
    title: str
    """The condition that it stands for."""

    icon: str
    """Kind of span whose sign it carries; empty for none."""

    count: int | None
    is_chosen: bool
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFacet:
    """One facet."""

    title: str
    choices: Sequence[ShownChoice]
    bound: int | None
    """How many of the newest traces were counted, where there are more; else None."""


def facets_of(visit: Visit, address: Address, report: FacetReport) -> list[ShownFacet]:
    """The facets of a report, in the reader's language."""
    return [
        ShownFacet(
            title=_title(visit, group),
            choices=[_choice(visit, address, group, way) for way in group.ways],
            bound=group.num_looked_at if group.is_bounded else None,
        )
        for group in report.groups
    ]


def _title(visit: Visit, group: FacetGroup) -> str:
    if group.facet is None:
        return visit.text(N_("Score {name}")).format(name=group.name.removeprefix("score."))
    return visit.text(FACET_NAMES[group.facet])


def _choice(visit: Visit, address: Address, group: FacetGroup, way: Way) -> ShownChoice:
    return ShownChoice(
        name=_name(visit, group, way),
        title=way.condition,
        icon=way.choice.value or "" if group.facet is Facet.KIND else "",
        count=way.choice.count,
        is_chosen=way.is_chosen,
        href=address.to(q=way.query or None, after=None),
    )


def _name(visit: Visit, group: FacetGroup, way: Way) -> str:
    value, low, high = way.choice.value, way.choice.low, way.choice.high
    if low is not None or high is not None:
        return _range(group, low, high)
    if value is None:
        return way.condition
    match group.facet:
        case Facet.STATUS if value in set(Status):
            return visit.text(STATUS_NAMES[Status(value)])
        case Facet.KIND if value in set(SpanKind):
            return visit.text(KIND_NAMES[SpanKind(value)])
        case Facet.ERRORS:
            return visit.text(N_("With errors"))
        case None if value in {"true", "false"}:
            return visit.text(_YES if value == "true" else _NO)
        case _:
            return value


def _range(group: FacetGroup, low: float | None, high: float | None) -> str:
    """`< 100 ms`, `1 s – 5 s`, `≥ 30 s`; one number where both ends are it."""
    if low == high:
        return _figure(group, low)
    if low is None:
        # Ranges of scores hold their ends, those of durations and costs only the lower one.
        return f"{'≤' if group.facet is None else '<'} {_figure(group, high)}"
    return f"≥ {_figure(group, low)}" if high is None else f"{_figure(group, low)} – {_figure(group, high)}"


def _figure(group: FacetGroup, value: float | None) -> str:
    if group.facet is Facet.DURATION:
        return formatting.round_duration(value or 0)
    if group.facet is Facet.COST:
        text = formatting.money(value, group.currency or "USD")
        return text.rstrip("0").rstrip(".") if "." in text else text  # an edge is exact: its zeros say nothing
    return formatting.plain(value)
