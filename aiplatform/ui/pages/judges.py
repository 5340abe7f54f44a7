"""Judges, the rules by which they score live traces, and the page of one calibration."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.eval.judging import sentences
from aiplatform.eval.judging.model import Calibration
from aiplatform.eval.model import Outcome
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site
from aiplatform.ui.views.calibration import history, matrix

RECENT: Final = 20
TONES: Final = {Outcome.PASS: "better", Outcome.FAIL: "worse", Outcome.UNKNOWN: "unsure"}


def add_judges(routes: Routes, site: Site) -> None:
    """The list of judges and the page of one calibration."""

    @routes.get(f"{BASE}/judges", permission=Permission.EVALUATIONS_READ)
    def judges(request: Request) -> Response:
        visit = site.visit(request, "judges")
        caller = visit.caller
        return visit.page(
            "pages/judges.html",
            {
                "judges": site.services.judges.judges(caller),
                "calibrations": site.services.judges.calibrations(caller, limit=RECENT).items,
                "rules": site.services.online.list(caller),
                "number": sentences.number,
                "tone_of": tone_of,
                "ways": visit.ways(visit.address(), "aiplatform judges list", "aip.judges.list()"),
            },
        )

    @routes.get(f"{BASE}/calibrations/{{calibration_id}}", permission=Permission.EVALUATIONS_READ)
    def calibration(request: Request, calibration_id: str) -> Response:
        visit = site.visit(request, "judges")
        found = site.services.judges.calibration(visit.caller, calibration_id)
        others = site.services.judges.calibrations(visit.caller, identity=found.identity, limit=RECENT).items
        view: dict[str, Any] = {
            "calibration": found,
            "tone": tone_of(found),
            "headline": sentences.headline(found).localized(visit.locale),
            "details": [each.localized(visit.locale) for each in sentences.details(found)],
            "matrix": matrix(found),
            "history": history(others, found),
            "number": sentences.number,
            "percent": sentences.percent,
            "ways": visit.ways(
                visit.address(),
                f"aiplatform judges calibrations {found.identity[:12]}",
                f"aip.judges.calibration({calibration_id!r})",
            ),
        }
        return visit.page("pages/calibration.html", view)


def tone_of(calibration: Calibration) -> str:
    """How what was found is shown."""
    return TONES[sentences.outcome(calibration)]
