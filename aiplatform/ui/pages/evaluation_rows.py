"""One evaluated row in full: alone, or under two versions side by side with what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.eval.model import CHANGE_NAMES, STATE_NAMES, Change, RowResult, RowScore
from aiplatform.eval.shown import answer_text
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.textdiff import diff
from aiplatform.ui.site import BASE, Site, Visit

LIST_STATE: Final = ("version", "change", "slice")
"""What of a comparison's address belongs to the list that a row was opened from."""


def add_evaluation_rows(routes: Routes, site: Site) -> None:
    """The page of one row of a run, and that of one row of a comparison."""

    @routes.get(f"{BASE}/evaluations/{{run_id}}/row", permission=Permission.EVALUATIONS_READ)
    def run_row(request: Request, run_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        run = site.services.evaluations.get(visit.caller, run_id)
        row = site.services.evaluations.row(visit.caller, run_id, visit.param("id") or "")
        page = f"{visit.base}/evaluations/{run_id}"
        view = {
            "row": row,
            "sides": [(run.name, row)],
            "scores": score_lines([row]),
            "pieces": None,
            "change": None,
            "crumb": run.name,
            "back_href": f"{page}#rows",
            "previous_href": None,
            "next_href": None,
            "place": None,
            "total": 0,
            "ways": visit.ways(
                visit.address("id"), f"aiplatform evaluations rows {run_id}", f"aip.evaluations.get({run_id!r})"
            ),
        }
        return visit.page("pages/evaluation_row.html", {**_names(), **view})

    @routes.get(f"{BASE}/comparisons/{{comparison_id}}/row", permission=Permission.EVALUATIONS_READ)
    def comparison_row(request: Request, comparison_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        return visit.page("pages/evaluation_row.html", _compared(site, visit, comparison_id))


def score_lines(sides: Sequence[RowResult | None]) -> list[tuple[str, list[RowScore | None]]]:
    """Every scorer's score of each side."""
    names = dict.fromkeys(score.name for side in sides if side is not None for score in side.scores)
    return [
        (name, [next((score for score in side.scores if score.name == name), None) if side else None for side in sides])
        for name in names
    ]


def _compared(site: Site, visit: Visit, comparison_id: str) -> dict[str, Any]:
    comparison = site.services.evaluations.comparison(visit.caller, comparison_id)
    asked = visit.param("change")
    change = Change(asked) if asked in set(Change) else Change.WORSE
    version = visit.param("version") or comparison.verdict.promote or comparison.candidates[0].run_id
    found = site.services.evaluations.comparison_row(
        visit.caller,
        comparison_id,
        visit.param("id") or "",
        candidate=version,
        change=change,
        in_slice=visit.param("slice"),
    )
    address = visit.address(*LIST_STATE)
    either = found.baseline or found.candidate
    name = next((each.name for each in comparison.candidates if each.run_id == version), version)
    outputs = [answer_text(side.output) if side else "" for side in (found.baseline, found.candidate)]
    back = str(address).removesuffix("/row").replace("/row?", "?")
    return {
        **_names(),
        "row": either,
        "sides": [(comparison.baseline.name, found.baseline), (name, found.candidate)],
        "scores": score_lines([found.baseline, found.candidate]),
        "pieces": diff(*outputs) if found.baseline and found.candidate else None,
        "change": found.change,
        "crumb": comparison.name or comparison.data.label,
        "back_href": f"{back}#rows",
        "previous_href": address.to(id=found.previous) if found.previous else None,
        "next_href": address.to(id=found.following) if found.following else None,
        "place": found.place,
        "total": found.total,
        "ways": visit.ways(
            visit.address("id", *LIST_STATE),
            f"aiplatform evaluations comparison {comparison_id} --change {change} --candidate {version}",
            f"aip.evaluations.comparison({comparison_id!r})",
        ),
    }


def _names() -> dict[str, Any]:
    return {"state_names": STATE_NAMES, "change_names": CHANGE_NAMES}
