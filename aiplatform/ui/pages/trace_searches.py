"""Saved searches on the list of traces: open one, save what is shown, rename and delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import AIPlatformError, ConflictError, InvalidError
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import DAY_NS, TraceSort
from aiplatform.tracing.searches import SavedSearch, SearchForm
from aiplatform.ui.site import BASE, Problem, Site, Visit, problem_of
from aiplatform.ui.views.timerange import DEFAULT_RANGE, MILLISECOND_NS, time_range


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSearch:
    """A saved search as the menu offers it."""

    search: SavedSearch
    href: str


def add_trace_searches(routes: Routes, site: Site) -> None:
    """Saving, renaming and deleting; opening one is a link."""

    @routes.post(f"{BASE}/traces/searches", permission=Permission.SEARCHES_WRITE)
    def save(
        request: Request,
        name: Annotated[str, Form()] = "",
        q: Annotated[str, Form()] = "",
        last: Annotated[str, Form()] = "",
        from_ms: Annotated[str, Form(alias="from")] = "",
        to_ms: Annotated[str, Form(alias="to")] = "",
        sort: Annotated[str, Form()] = "",
    ) -> Response:
        """Save what is shown, and show it."""
        visit = site.visit(request, "traces")
        span = time_range(last, from_ms, to_ms, visit.frame.now_ns)
        order = TraceSort(sort) if sort in set(TraceSort) else TraceSort.NEWEST
        time = {"last": span.key} if span.key else {"from_ns": span.from_ns, "to_ns": span.to_ns}
        form = SearchForm(name=name, query=q, sort=order, **time)
        try:
            made = site.services.traces.searches.create(visit.caller, form)
        except AIPlatformError as error:
            problem = problem_of(error, visit.locale)
            back = _href(visit, q, time, order)
            return _manage(site, visit, problem=problem, back=back, status=error.http_status)
        return RedirectResponse(_shown(visit, made).href, HTTP_303_SEE_OTHER)

    @routes.get(f"{BASE}/traces/searches", permission=Permission.TRACES_READ)
    def manage(request: Request) -> Response:
        """Every saved search of the project."""
        return _manage(site, site.visit(request, "traces"))

    @routes.post(f"{BASE}/traces/searches/{{search_id}}/rename", permission=Permission.SEARCHES_WRITE)
    def rename(request: Request, search_id: str, name: Annotated[str, Form()] = "") -> Response:
        """Give one another name."""
        visit = site.visit(request, "traces")
        try:
            site.services.traces.searches.change(visit.caller, search_id, {"name": name})
        except (ConflictError, InvalidError) as error:
            return _manage(site, visit, problem=problem_of(error, visit.locale), status=error.http_status)
        return RedirectResponse(f"{visit.base}/traces/searches", HTTP_303_SEE_OTHER)

    @routes.post(f"{BASE}/traces/searches/{{search_id}}/delete", permission=Permission.SEARCHES_WRITE)
    def delete(request: Request, search_id: str) -> Response:
        """Delete one."""
        visit = site.visit(request, "traces")
        site.services.traces.searches.remove(visit.caller, search_id)
        return RedirectResponse(f"{visit.base}/traces/searches", HTTP_303_SEE_OTHER)


def searches_of(site: Site, visit: Visit) -> list[ShownSearch]:
    """The project's saved searches, each with the address that opens it."""
    return [_shown(visit, search) for search in site.services.traces.searches.list(visit.caller)]


def _manage(
    site: Site, visit: Visit, *, problem: Problem | None = None, back: str | None = None, status: int = 200
) -> Response:
    view: dict[str, Any] = {
        "searches": searches_of(site, visit),
        "problem": problem,
        "back": back or f"{visit.base}/traces",
        "may_write": visit.caller.may(Permission.SEARCHES_WRITE),
        "ways": visit.ways(f"{visit.base}/traces/searches", "aiplatform traces searches list", "aip.traces.searches()"),
    }
    return visit.page("pages/trace_searches.html", view, status=status)


def _shown(visit: Visit, search: SavedSearch) -> ShownSearch:
    time = {"last": search.last, "from_ns": search.from_ns, "to_ns": search.to_ns}
    return ShownSearch(search=search, href=_href(visit, search.query, time, search.sort))


def _href(visit: Visit, query: str, time: dict[str, Any], sort: TraceSort) -> str:
    """The address of the list with a query, a time and an order; defaults are not written into it."""
    state: dict[str, str] = {"q": query} if query else {}
    last, from_ns, to_ns = time.get("last"), time.get("from_ns"), time.get("to_ns")
    if last is not None:
        state |= {"last": last} if last != DEFAULT_RANGE else {}
    else:
        # The page's times are whole milliseconds with two ends: what is open goes from the beginning, or until the end
        # of this day, so that the address is one for a while.
        end_ns = -(-visit.frame.now_ns // DAY_NS) * DAY_NS if to_ns is None else to_ns
        state |= {"from": str((from_ns or 0) // MILLISECOND_NS), "to": str(-(-end_ns // MILLISECOND_NS))}
    state |= {"sort": sort.value} if sort is not TraceSort.NEWEST else {}
    return f"{visit.base}/traces" + (f"?{urlencode(state)}" if state else "")
