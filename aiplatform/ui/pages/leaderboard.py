"""A leaderboard: runs on one data set in the order of a metric, and what that order is worth."""

from __future__ import annotations

from shlex import quote
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.eval.terminal import leaderboard_note
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site

STATE: Final = ("data", "on")


def add_leaderboard(routes: Routes, site: Site) -> None:
    """The leaderboard of a data set version."""

    @routes.get(f"{BASE}/leaderboard", permission=Permission.EVALUATIONS_READ)
    def leaderboard_page(request: Request) -> Response:
        visit = site.visit(request, "evaluations")
        data, on = visit.param("data") or "", visit.param("on") or ""
        evaluations = site.services.evaluations
        board, problem = visit.attempt(lambda: evaluations.leaderboard(visit.caller, data=data, on=on))
        address = visit.address(*STATE)
        best = evaluations.get(visit.caller, board.entries[0].run_id) if board else None
        default = best.primary_metric.name if best and best.primary_metric else ""
        names = dict.fromkeys((default, *(metric.name for metric in best.metrics))) if best else {}
        call = f"data={data!r}" + (f", on={on!r}" if on else "")
        command = f"aiplatform evaluations leaderboard --data {quote(data)}" + (f" --on {quote(on)}" if on else "")
        return visit.page(
            "pages/leaderboard.html",
            {
                "board": board,
                "problem": problem,
                "data": data,
                "note": leaderboard_note(board).localized(visit.locale) if board else "",
                "metric_tabs": address.tabs("on", [(name, name) for name in names], on or default),
                "ways": visit.ways(address, command, f"aip.evaluations.leaderboard({call})"),
            },
        )
