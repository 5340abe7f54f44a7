"""Usage: what a project sent, keeps and paid, day by day, and what of it was not taken and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.counting import REFUSALS, REJECTIONS
from aiplatform.tracing.usage_report import UsageReport
from aiplatform.tracing.usage_routes import day_text
from aiplatform.ui.site import BASE, Site, Visit

DAYS: Final = {"7d": (7, N_("Last 7 days")), "30d": (30, N_("Last 30 days")), "90d": (90, N_("Last 90 days"))}
DEFAULT: Final = "7d"
OTHER: Final = N_("another reason")


def add_usage(routes: Routes, site: Site) -> None:
    """The usage of a project."""

    @routes.get(f"{BASE}/usage", permission=Permission.TRACES_READ)
    def usage(request: Request) -> Response:
        visit = site.visit(request, "usage")
        asked = visit.param("last") or DEFAULT
        key = asked if asked in DAYS else DEFAULT
        days, name = DAYS[key]
        report, problem = visit.attempt(lambda: site.services.traces.usage.of(visit.caller.scope, days=days))
        view: dict[str, Any] = {
            "report": report,
            "problem": problem,
            "range_name": visit.text(name),
            "ranges": visit.address("last").tabs("last", [(each, visit.text(DAYS[each][1])) for each in DAYS], key),
            "day_text": day_text,
            "most": max((volume.num_spans for _, volume in report.days), default=0) if report else 0,
            "reasons": _reasons(visit, report) if report else [],
            "ways": visit.ways(
                visit.address("last"),
                "aiplatform traces usage" + ("" if key == DEFAULT else f" --days {days}"),
                "aip.traces.usage()" if key == DEFAULT else f"aip.traces.usage(days={days})",
            ),
        }
        return visit.page("pages/usage.html", view)


def _reasons(visit: Visit, report: UsageReport) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """What was not taken or not kept as it came: title, what is counted, and reasons, the commonest first."""
    total = report.total
    groups: list[tuple[str, str, Mapping[str, int], Mapping[str, str]]] = [
        (N_("Rejected"), N_("spans, log records and data points that were not taken"), total.rejected, REJECTIONS),
        (N_("Refused requests"), N_("requests that were not taken at all"), total.refused, REFUSALS),
        (N_("Redacted"), N_("values that the redaction policy took out"), total.redacted, {}),
    ]
    return [
        (
            visit.text(title),
            visit.text(what),
            [
                (visit.text(names.get(reason, OTHER if reason == "other" else reason)), count)
                for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            ],
        )
        for title, what, counts, names in groups
    ]
