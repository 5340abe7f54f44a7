"""Sessions: the list, and one of them as a conversation."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site
from aiplatform.ui.views.timerange import RANGES, time_range

PAGE_SIZE: Final = 50
STATE: Final = ("q", "user", "last", "from", "to", "after")


def add_sessions(routes: Routes, site: Site) -> None:
    """The list of sessions, and one session."""

    @routes.get(f"{BASE}/sessions", permission=Permission.TRACES_READ)
    def sessions(request: Request) -> Response:
        visit = site.visit(request, "sessions")
        span = time_range(visit.param("last"), visit.param("from"), visit.param("to"), visit.frame.now_ns)
        found, problem = visit.attempt(
            lambda: site.services.traces.sessions.list(
                visit.caller.scope,
                text=visit.param("q"),
                user_id=visit.param("user"),
                from_ns=span.from_ns,
                to_ns=span.to_ns,
                limit=PAGE_SIZE,
                page=visit.param("after"),
            )
        )
        address = visit.address(*STATE)
        keys = ["7d", *(key for key in RANGES if key != "7d")]
        view: dict[str, Any] = {
            "address": address,
            "found": found,
            "problem": problem,
            "line": visit.param("q") or "",
            "user": visit.param("user"),
            "is_narrowed": bool(visit.param("q") or visit.param("user")),
            "span": span,
            "range_name": visit.text(RANGES[span.key][1]) if span.key else "",
            "ranges": address.tabs("last", [(key, visit.text(RANGES[key][1])) for key in keys], span.key or ""),
        }
        return visit.page("pages/sessions.html", view)

    @routes.get(f"{BASE}/sessions/{{session_id:path}}", permission=Permission.TRACES_READ)
    def session(request: Request, session_id: str) -> Response:
        visit = site.visit(request, "sessions")
        offset = visit.param("offset") or ""
        found = site.services.traces.sessions.get(
            visit.caller.scope, session_id, offset=int(offset) if offset.isdecimal() else 0
        )
        line = f"/api/v1/sessions/{quote(session_id, safe='')}"
        return visit.page(
            "pages/session.html",
            {
                "found": found,
                "first": int(offset) if offset.isdecimal() else 0,
                "address": visit.address("offset"),
                "ways": [(visit.text(N_("Link")), str(visit.address("offset"))), ("API", line)],
            },
        )
