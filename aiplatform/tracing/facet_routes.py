"""`/api/v1/traces/facets`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.facet_service import MAX_CHOICES, FacetGroup, FacetReport, Facets
from aiplatform.tracing.facets import Figures
from aiplatform.tracing.query.parser import MAX_CHARACTERS


def add_facets(routes: Routes, facets: Facets) -> None:
    """Add this route to the room's; before those whose path has a trace's id in the same place."""

    @routes.get("/api/v1/traces/facets", permission=Permission.TRACES_READ)
    def get_facets(
        caller: CallerDep,
        q: Annotated[str, Query(max_length=MAX_CHARACTERS)] = "",
        from_ns: int | None = None,
        to_ns: int | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_CHOICES)] = 8,
    ) -> dict[str, Any]:
        """What the traces that `q` finds can be told apart by, and what they add up to, counted over the newest.

        Each facet is counted as if nothing of it were chosen: its choices among each other mean OR.
        """
        return report_json(facets.of(caller.scope, q, from_ns=from_ns, to_ns=to_ns, limit=limit))


def report_json(report: FacetReport) -> dict[str, Any]:
    """A report as the API shows it."""
    return {
        "max_traces": report.max_traces,
        "is_bounded": report.is_bounded,
        "is_cut": report.is_cut,
        "figures": figures_json(report.figures),
        "facets": [_group_json(group) for group in report.groups],
    }


def figures_json(figures: Figures) -> dict[str, Any]:
    """Figures as the API shows them."""
    return {**asdict(figures), "error_share": figures.error_share, "total_tokens": figures.total_tokens}


def _group_json(group: FacetGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "currency": group.currency,
        "num_looked_at": group.num_looked_at,
        "is_bounded": group.is_bounded,
        "choices": [
            {
                "condition": way.condition,
                "value": way.choice.value,
                "low": way.choice.low,
                "high": way.choice.high,
                "count": way.choice.count,
                "is_chosen": way.is_chosen,
                "query": way.query,
            }
            for way in group.ways
        ],
    }
