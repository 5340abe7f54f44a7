"""One trace: its tree on its time at the left, what one span holds at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import KIND_NAMES, STATUS_NAMES, Score, SpanDetail, Status
from aiplatform.tracing.outline import Outline
from aiplatform.ui.pages.trace_scores import scores_view
from aiplatform.ui.pages.traces import entity_tag
from aiplatform.ui.rendering import is_fragment
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.trace import (
    ROLE_NAMES,
    ROWS_A_WINDOW,
    Window,
    axis_of,
    indices_in,
    is_live,
    nodes_of,
    quoted_ids,
    window_at,
)

STATE: Final = ("span", "part")
PARTS: Final = ("content", "attributes", "events", "scores", "raw")
MAX_PLACES: Final = 200
MAX_WORDS: Final = 400


def add_trace(routes: Routes, site: Site) -> None:
    """The page of one trace, and its parts as fragments."""
    _add_page(routes, site)
    _add_rows(routes, site)

    @routes.get(f"{BASE}/traces/{{trace_id}}/live", permission=Permission.TRACES_READ)
    def live(request: Request, trace_id: str) -> Response:
        """Facts and rows of a trace that runs; 304 while nothing in it has changed. `x-running: 0` ends the asking."""
        visit = site.visit(request, "traces")
        outline = site.services.traces.outline(visit.caller.scope, trace_id)
        scores = _scores(site, visit, outline)
        going = "1" if is_live(outline, visit.frame.now_ns) else "0"
        tag = entity_tag(outline.summary.updated_ns, len(outline), len(scores), going)
        headers = {"etag": tag, "x-running": going}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        view = {**_tree_view(site, visit, outline, _chosen(visit, outline)), "detail": None, "all_scores": scores}
        answer = visit.page("pages/trace_live.html", view)
        answer.headers.update(headers)
        return answer


def _add_page(routes: Routes, site: Site) -> None:
    @routes.get(f"{BASE}/traces/{{trace_id}}", permission=Permission.TRACES_READ)
    def trace(request: Request, trace_id: str) -> Response:
        visit = site.visit(request, "traces")
        outline = site.services.traces.outline(visit.caller.scope, trace_id)
        span_id = _chosen(visit, outline)
        scores = _scores(site, visit, outline)
        part = request.headers.get("hx-target") if is_fragment(request) else None
        if part == "span":
            return visit.page("pages/trace_span.html", _span_view(site, visit, outline, span_id, scores))
        if part == "scores":
            edit = visit.param("edit")
            view = scores_view(site, visit, outline.summary.trace_id, span_id, scores, edit=edit)
            return visit.page("pages/trace_scores_again.html", view)
        view = {
            **_tree_view(site, visit, outline, span_id),
            **_span_view(site, visit, outline, span_id, scores),
            "ways": _ways(visit, outline),
        }
        return visit.page("pages/trace.html", view)


def _add_rows(routes: Routes, site: Site) -> None:
    @routes.get(f"{BASE}/traces/{{trace_id}}/rows", permission=Permission.TRACES_READ)
    def rows(request: Request, trace_id: str) -> Response:
        """Some rows of the tree, such as `at=0-199,300`, as the page places them."""
        visit = site.visit(request, "traces")
        outline = site.services.traces.outline(visit.caller.scope, trace_id)
        indices = indices_in(visit.param("at") or "0", len(outline))
        view = {
            "rows": _window(site, visit, outline, indices), "span_id": visit.param("span"), "kind_names": KIND_NAMES,
        }  # fmt: skip
        return visit.page("pages/trace_nodes.html", view)

    @routes.get(f"{BASE}/traces/{{trace_id}}/outline", permission=Permission.TRACES_READ)
    def outline(request: Request, trace_id: str) -> Response:
        """How the rows lie, for folding and walking: `below` and `errors` by index.

        With `find` the rows that a text stands in, with `places` where some spans stand.
        """
        visit = site.visit(request, "traces")
        scope, traces = visit.caller.scope, site.services.traces
        found = traces.outline(scope, trace_id)
        answer: dict[str, Any] = {"total": len(found)}
        if (words := visit.param("find")) is not None:
            answer["found"] = traces.outlines.find(scope, found, words.strip()[:MAX_WORDS])
        else:
            answer |= {"below": list(found.below), "errors": list(found.errors)}
        if (places := visit.param("places")) is not None:
            answer["places"] = found.indices_of(places.split(",")[:MAX_PLACES])
        return JSONResponse(answer)


def _chosen(visit: Visit, outline: Outline) -> str | None:
    """The span that the address names, else the one that a page opens with."""
    asked = visit.param("span")
    return asked or (outline.span_ids[outline.first] if outline.first is not None else None)


def _scores(site: Site, visit: Visit, outline: Outline) -> Sequence[Score]:
    return site.services.traces.scores(visit.caller.scope, trace_ids=[outline.summary.trace_id])


def _window(site: Site, visit: Visit, outline: Outline, indices: Sequence[int]) -> Window:
    found = site.services.traces.outlines.rows(visit.caller.scope, outline, indices)
    axis = axis_of(outline, visit.frame.now_ns)
    first, num_spans = indices[0] if indices else 0, len(outline)
    after = first + len(indices)
    return Window(
        nodes=nodes_of(outline, found, indices, axis, visit.frame.now_ns),
        axis=axis,
        num_spans=num_spans,
        first=first,
        earlier=max(0, first - ROWS_A_WINDOW) if first else None,
        later=after if after < num_spans else None,
    )


def _tree_view(site: Site, visit: Visit, outline: Outline, span_id: str | None) -> dict[str, Any]:
    """Head and first rows of the tree, and where a running trace is asked for again, and since when it runs."""
    summary = outline.summary
    offset = visit.param("offset") or ""
    is_placed = offset.isascii() and offset.isdigit() and len(offset) < 10
    index = min(int(offset), len(outline) - 1) if is_placed else outline.index_of(span_id or "")
    going = is_live(outline, visit.frame.now_ns)
    page = f"{visit.base}/traces/{summary.trace_id}"
    return {
        "summary": summary,
        "rows": _window(site, visit, outline, window_at(index, len(outline))),
        "span_id": span_id,
        "chosen_index": outline.index_of(span_id or ""),
        "num_errors": len(outline.errors),
        "kind_names": KIND_NAMES,
        "page_path": page,
        "address": replace(visit.address(*STATE), path=page),
        "live_src": f"{page}/live" if going else None,
        "running_ms": summary.start_ns // 1_000_000 if summary.status is Status.RUNNING else None,
    }


def _span_view(
    site: Site, visit: Visit, outline: Outline, span_id: str | None, scores: Sequence[Score]
) -> dict[str, Any]:
    trace_id = outline.summary.trace_id
    detail: SpanDetail | None = None
    problem = None
    if span_id is not None:
        detail, problem = visit.attempt(lambda: site.services.traces.span(visit.caller.scope, trace_id, span_id))
    asked = visit.param("part") or PARTS[0]
    part = asked if asked in PARTS else PARTS[0]
    names = {
        "content": visit.text(N_("Content")),
        "attributes": visit.text(N_("Attributes")),
        "events": visit.text(N_("Events")),
        "scores": visit.text(N_("Scores")),
        "raw": "JSON",
    }
    address = visit.address(*STATE)
    return {
        **scores_view(site, visit, trace_id, span_id, scores, edit=visit.param("edit")),
        "detail": detail,
        "span_problem": problem,
        "part": part,
        "parts": address.tabs("part", [(key, names[key]) for key in PARTS], part),
        "status_names": STATUS_NAMES,
        "kind_names": KIND_NAMES,
        "role_names": ROLE_NAMES,
        "quoted": quoted_ids(detail) if detail else frozenset(),
        "span_path": f"{visit.base}/traces/{trace_id}/spans/{span_id}",
    }


def _ways(visit: Visit, outline: Outline) -> list[tuple[str, str]]:
    trace_id = outline.summary.trace_id
    return visit.ways(visit.address("span"), f"aiplatform traces get {trace_id}", f"aip.traces.get({trace_id!r})")
