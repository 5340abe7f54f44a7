"""One trace: its tree on its time at the left, what one span holds at the right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import KIND_NAMES, STATUS_NAMES, SpanDetail, Status, TraceTree
from aiplatform.ui.pages.trace_scores import scores_view
from aiplatform.ui.pages.traces import entity_tag
from aiplatform.ui.rendering import is_fragment
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.trace import ROLE_NAMES, first_span, is_live, quoted_ids, tree_view

STATE: Final = ("span", "part")
PARTS: Final = ("content", "attributes", "events", "scores", "raw")


def add_trace(routes: Routes, site: Site) -> None:
    """The page of one trace, and its parts as fragments."""

    @routes.get(f"{BASE}/traces/{{trace_id}}", permission=Permission.TRACES_READ)
    def trace(request: Request, trace_id: str) -> Response:
        visit = site.visit(request, "traces")
        tree = site.services.traces.get(visit.caller.scope, trace_id)
        span_id = visit.param("span") or first_span(tree)
        if is_fragment(request) and request.headers.get("hx-target") == "span":
            return visit.page("pages/trace_span.html", _span_view(site, visit, tree, span_id))
        if is_fragment(request) and request.headers.get("hx-target") == "scores":
            edit = visit.param("edit")
            view = scores_view(site, visit, tree.summary.trace_id, span_id, tree.scores, edit=edit)
            return visit.page("pages/trace_scores_again.html", view)
        offset = visit.param("offset") or ""
        rows = tree_view(tree, visit.frame.now_ns, offset=int(offset) if offset.isdecimal() else 0)
        view = {
            "tree": tree,
            "rows": rows,
            "span_id": span_id,
            "kind_names": KIND_NAMES,
            "address": visit.address(*STATE),
            **_live_view(visit, tree),
        }
        if is_fragment(request):
            return visit.page("pages/trace_nodes.html", view)
        return visit.page(
            "pages/trace.html", {**view, **_span_view(site, visit, tree, span_id), "ways": _ways(visit, tree)}
        )

    @routes.get(f"{BASE}/traces/{{trace_id}}/live", permission=Permission.TRACES_READ)
    def live(request: Request, trace_id: str) -> Response:
        """Facts and rows of a trace that runs; 304 while nothing in it has changed. `x-running: 0` ends the asking."""
        visit = site.visit(request, "traces")
        tree = site.services.traces.get(visit.caller.scope, trace_id)
        going = "1" if is_live(tree, visit.frame.now_ns) else "0"
        tag = entity_tag(tree.summary.updated_ns, len(tree.spans), len(tree.scores), going)
        headers = {"etag": tag, "x-running": going}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        span_id = visit.param("span") or first_span(tree)
        page = f"{visit.base}/traces/{trace_id}"
        view = {
            "tree": tree,
            "rows": tree_view(tree, visit.frame.now_ns),
            "span_id": span_id,
            "kind_names": KIND_NAMES,
            "address": replace(visit.address(*STATE), path=page),
            "detail": None,
            "all_scores": tree.scores,
            **_live_view(visit, tree),
        }
        answer = visit.page("pages/trace_live.html", view)
        answer.headers.update(headers)
        return answer


def _live_view(visit: Visit, tree: TraceTree) -> dict[str, Any]:
    """Where a running trace is asked for again, and since when it runs (milliseconds since 1970)."""
    going = is_live(tree, visit.frame.now_ns)
    runs = tree.summary.status is Status.RUNNING
    return {
        "live_src": f"{visit.base}/traces/{tree.summary.trace_id}/live" if going else None,
        "running_ms": tree.summary.start_ns // 1_000_000 if runs else None,
    }


def _span_view(site: Site, visit: Visit, tree: TraceTree, span_id: str | None) -> dict[str, Any]:
    trace_id = tree.summary.trace_id
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
        "tree": tree,
        "detail": detail,
        "span_problem": problem,
        "part": part,
        "parts": address.tabs("part", [(key, names[key]) for key in PARTS], part),
        **scores_view(site, visit, trace_id, span_id, tree.scores, edit=visit.param("edit")),
        "status_names": STATUS_NAMES,
        "kind_names": KIND_NAMES,
        "role_names": ROLE_NAMES,
        "quoted": quoted_ids(tree, detail) if detail else frozenset(),
    }


def _ways(visit: Visit, tree: TraceTree) -> list[tuple[str, str]]:
    trace_id = tree.summary.trace_id
    return visit.ways(visit.address("span"), f"aiplatform traces get {trace_id}", f"aip.traces.get({trace_id!r})")
