"""Two traces side by side: the trees laid over each other at the left, what one pair of spans says at the right."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.comparing import (
    DIFFERENCE_NAMES,
    TraceComparison,
    compare,
    content_change,
    differences,
)
from aiplatform.tracing.model import KIND_NAMES, TraceFilter, TraceSummary
from aiplatform.ui.rendering import is_fragment
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.trace import MAX_DEPTH

STATE: Final = ("a", "b", "pair", "only")
MAX_PAIRS: Final = 1_000
"""Lines that are drawn; the rest is counted."""

CANDIDATES: Final = 20


def add_compare_traces(routes: Routes, site: Site) -> None:
    """The page, and the choice of the second trace where only one is named."""

    @routes.get(f"{BASE}/traces/compare", permission=Permission.TRACES_READ)
    def compare_traces(request: Request) -> Response:
        visit = site.visit(request, "traces")
        picked = request.query_params.getlist("pick")
        if picked:
            if len(picked) != 2:
                raise _not_two(len(picked))
            # The list stands newest first: the earlier trace is what the later one is compared with.
            return RedirectResponse(visit.address().to(a=picked[1], b=picked[0]), status_code=303)
        a, b = visit.param("a"), visit.param("b")
        if not b:
            raise _not_two(1 if a else 0)
        if not a:
            return visit.page("pages/compare_choose.html", _choice(site, visit, b))
        compared = compare(site.services.traces, visit.caller.scope, a, b)
        chosen = _chosen(visit.param("pair"), compared)
        view = _pair_view(site, visit, compared, chosen)
        if is_fragment(request) and request.headers.get("hx-target") == "pair":
            return visit.page("pages/compare_pair.html", view)
        return visit.page("pages/compare_traces.html", {**_view(visit, compared), **view})


def _view(visit: Visit, compared: TraceComparison) -> dict[str, Any]:
    only_different = visit.param("only") == "different"
    rows = [
        {
            "index": index,
            "pair": pair,
            "indent": min(pair.depth, MAX_DEPTH),
            "differences": found,
            "kind": (pair.a or pair.b).kind if pair.a or pair.b else "other",  # type: ignore[union-attr]
        }
        for index, pair in enumerate(compared.pairs)
        if (found := differences(pair)) or not only_different
    ]
    a, b = compared.a.summary, compared.b.summary
    address = visit.address(*STATE)
    filters = [("", visit.text(N_("All spans"))), ("different", visit.text(N_("Only what differs")))]
    line = f"/api/v1/traces/compare?a={a.trace_id}&b={b.trace_id}"
    return {
        "rows": rows[:MAX_PAIRS],
        "num_more": max(len(rows) - MAX_PAIRS, 0),
        "same_name": a.name == b.name,
        "filters": address.tabs("only", filters, "different" if only_different else "", pair=None),
        "swapped": address.to(a=b.trace_id, b=a.trace_id, pair=None),
        "difference_names": DIFFERENCE_NAMES,
        "ways": [(visit.text(N_("Link")), str(address)), ("API", line)],
    }


def _pair_view(site: Site, visit: Visit, compared: TraceComparison, chosen: int) -> dict[str, Any]:
    change, problem = None, None
    if compared.pairs:
        change, problem = visit.attempt(
            lambda: content_change(site.services.traces, visit.caller.scope, compared, chosen)
        )
    pair = compared.pairs[chosen] if compared.pairs else None
    return {
        "compared": compared,
        "chosen": chosen,
        "pair": pair,
        "found": differences(pair) if pair else (),
        "change": change,
        "pair_problem": problem,
        "address": visit.address(*STATE),
        "kind_names": KIND_NAMES,
        "difference_names": DIFFERENCE_NAMES,
    }


def _chosen(value: str | None, compared: TraceComparison) -> int:
    """The pair that the address names; else the first one that differs, else the first of all."""
    if value and value.isdecimal() and int(value) < len(compared.pairs):
        return int(value)
    return next((index for index, pair in enumerate(compared.pairs) if differences(pair)), 0)


def _choice(site: Site, visit: Visit, trace_id: str) -> dict[str, Any]:
    """Traces of the same name, the ones before this one first."""
    scope = visit.caller.scope
    this = site.services.traces.get(scope, trace_id).summary
    candidates: list[TraceSummary] = []
    for where in (TraceFilter(name=this.name, to_ns=this.start_ns), TraceFilter(name=this.name)):
        for each in site.services.traces.list(scope, where, limit=CANDIDATES * 2).items:
            if each.name == this.name and each.trace_id != this.trace_id and each not in candidates:
                candidates.append(each)
    return {"this": this, "candidates": candidates[:CANDIDATES], "address": visit.address(*STATE)}


def _not_two(count: int) -> InvalidError:
    return InvalidError(
        N_("Two traces are compared, and {count} were chosen."),
        hint=N_("Tick two traces in the list, or open one and choose its twin from there."),
        reason="tracing.not_two",
        count=count,
    )
