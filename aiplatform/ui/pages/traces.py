"""The list of traces: query line, time, histogram, table."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from shlex import quote
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import TraceFilter, TraceSort
from aiplatform.tracing.query.parser import MAX_CHARACTERS
from aiplatform.tracing.query.tree import uses_index
from aiplatform.tracing.routes import completion_json
from aiplatform.ui import formatting
from aiplatform.ui.geometry import buckets_for, columns_for
from aiplatform.ui.pages.trace_searches import searches_of
from aiplatform.ui.site import BASE, Site, Visit, problem_of
from aiplatform.ui.views.facets import facets_of
from aiplatform.ui.views.query import FIELDS, Query, QueryError, api_line, parse
from aiplatform.ui.views.timerange import RANGES, TimeRange, time_range

PAGE_SIZE: Final = 50
MAX_FACETS: Final = 8
MIN_FOR_SLOW: Final = 20
"""Traces from which on the slowest twentieth is marked."""

STATE: Final = ("q", "last", "from", "to", "sort", "after", "live")
SORT_NAMES: Final = {
    TraceSort.NEWEST: N_("newest"),
    TraceSort.OLDEST: N_("oldest"),
    TraceSort.SLOWEST: N_("slowest"),
}


def add_traces(routes: Routes, site: Site) -> None:
    """The list of traces."""

    @routes.get(f"{BASE}/traces", permission=Permission.TRACES_READ)
    def traces(request: Request) -> Response:
        visit = site.visit(request, "traces")
        line = visit.param("q") or ""
        span = time_range(visit.param("last"), visit.param("from"), visit.param("to"), visit.frame.now_ns)
        view: dict[str, Any] = {
            "address": visit.address(*STATE),
            "line": line,
            "span": span,
            "fields": FIELDS,
            "range_name": _range_name(visit, span),
            "ranges": visit.address(*STATE).tabs("last", _range_pairs(visit), span.key or ""),
            "query_problem": None,
            "live_src": _live_address(visit, span),
            "is_live": visit.param("live") == "1",
            "searches": searches_of(site, visit),
            "may": {
                "save": visit.caller.may(Permission.SEARCHES_WRITE),
                "add": visit.caller.may(Permission.DATASETS_WRITE),
                "erase": visit.caller.may(Permission.TRACES_DELETE),
            },
            "all_href": _all_address(visit),
        }
        try:
            query = parse(line)
        except QueryError as error:
            start, end = error.span
            marked = (line[:start], line[start:end], line[end:])
            problem = {**_plain(problem_of(error, visit.locale)), "marked": marked, "near": error.fields["near"]}
            problem["pointer"] = error.fields["pointer"]
            if problem["near"]:
                problem["better"] = line[:start] + problem["near"] + line[end:]
            return visit.page(
                "pages/traces.html", view, query_problem=problem, found=None, ways=_ways(visit, None, span), status=422
            )
        return visit.page(
            "pages/traces.html", view, found=_found(site, visit, query, span), ways=_ways(visit, query, span)
        )

    @routes.get(f"{BASE}/complete", permission=Permission.TRACES_READ)
    def complete(request: Request) -> Response:
        visit = site.visit(request, "traces")
        line = (visit.param("q") or "")[:MAX_CHARACTERS]
        at = visit.param("at") or ""
        place = int(at[:6]) if at.isascii() and at.isdigit() else None
        found = site.services.traces.complete(visit.caller.scope, line, place)
        return JSONResponse(completion_json(found, visit.locale))

    @routes.get(f"{BASE}/traces/live", permission=Permission.TRACES_READ)
    def live(request: Request) -> Response:
        """The first page's rows; 304 while nothing in them has changed."""
        visit = site.visit(request, "traces")
        span = time_range(visit.param("last"), None, None, visit.frame.now_ns)
        services, scope = site.services, visit.caller.scope
        where = replace(parse(visit.param("q") or "").where, from_ns=span.from_ns)
        items = list(services.traces.list(scope, where, limit=PAGE_SIZE).items)
        scores = _scores(site, visit, items)
        tag = entity_tag(
            *((item.trace_id, item.updated_ns) for item in items),
            *((score.score_id, score.created_ns) for each in scores.values() for score in each),
        )
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        answer = visit.page("pages/traces_rows.html", found={"items": items, "scores": scores, "slow_from": None})
        answer.headers["etag"] = tag
        return answer


def entity_tag(*parts: object) -> str:
    """A tag that changes with any of its parts."""
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def _live_address(visit: Visit, span: TimeRange) -> str | None:
    """Where new rows come from; None where the list does not begin with now: another order, page or a chosen time."""
    if _sort(visit.param("sort")) is not TraceSort.NEWEST or visit.param("after") or span.key is None:
        return None
    given = {name: value for name in ("q", "last") if (value := visit.param(name))}
    return f"{visit.base}/traces/live" + (f"?{urlencode(given)}" if given else "")


def _all_address(visit: Visit) -> str:
    """Where all that the list finds can be added to a data set."""
    return str(replace(visit.address("q", "last", "from", "to"), path=f"{visit.base}/traces/to-dataset"))


def _scores(site: Site, visit: Visit, items: list[Any]) -> dict[str, list[Any]]:
    """Scores by trace."""
    found: dict[str, list[Any]] = {}
    ids = [item.trace_id for item in items]
    for score in site.services.traces.scores(visit.caller.scope, trace_ids=ids) if items else ():
        found.setdefault(score.trace_id, []).append(score)
    return found


def _found(site: Site, visit: Visit, query: Query, span: TimeRange) -> dict[str, Any]:
    services, scope = site.services, visit.caller.scope
    where = replace(query.where, from_ns=span.from_ns, to_ns=span.to_ns)
    sort = _sort(visit.param("sort"))
    address = visit.address(*STATE)
    page, problem = visit.attempt(
        lambda: services.traces.list(scope, where, sort=sort, limit=PAGE_SIZE, page=visit.param("after"))
    )
    offset_s = datetime.fromtimestamp(span.to_ns / 1e9, visit.frame.zone).utcoffset() or timedelta()
    slices = buckets_for(span.from_ns, span.to_ns, int(offset_s.total_seconds()) * 1_000_000_000)
    counts = services.traces.histogram(
        scope, where, from_ns=slices.from_ns, to_ns=slices.to_ns, num_buckets=slices.count
    )
    buckets = [(slices.start_of(index), clean + failed, failed) for index, (clean, failed) in enumerate(counts)]
    total, failed = sum(each[1] for each in buckets), sum(each[2] for each in buckets)
    report, facet_problem = visit.attempt(
        lambda: services.traces.facets.of(scope, query.text, from_ns=span.from_ns, to_ns=span.to_ns, limit=MAX_FACETS)
    )
    items = list(page.items) if page else []
    scores = _scores(site, visit, items)
    return {
        "page": page,
        "problem": problem,
        "items": items,
        "scores": scores,
        "columns": columns_for(buckets, width_ns=slices.width_ns),
        "slices": slices,
        "bucket": formatting.round_duration(slices.width_ns),
        "report": report,
        "total": total,
        "failed": failed,
        "slow_from": report.figures.duration_p95_ns if report and report.figures.num_traces >= MIN_FOR_SLOW else None,
        "sorts": address.tabs(
            "sort", [(str(key), visit.text(name)) for key, name in SORT_NAMES.items()], str(sort), after=None
        ),
        "facets": facets_of(visit, address, report) if report else [],
        "facet_problem": facet_problem,
        "loosened": [] if items else _loosened(site, visit, query, span),
        "is_ever": bool(items) or bool(services.traces.list(scope, TraceFilter(), limit=1).items),
    }


def _loosened(site: Site, visit: Visit, query: Query, span: TimeRange) -> list[dict[str, Any]]:
    """Each condition with what would be found without it; words are not counted."""
    found = []
    for condition in query.conditions:
        rest = query.without(condition)
        where = parse(rest).where
        count = None
        if where.text is None and (where.query is None or not uses_index(where.query)):
            counts = site.services.traces.histogram(
                visit.caller.scope, where, from_ns=span.from_ns, to_ns=span.to_ns, num_buckets=1
            )
            count = sum(clean + failed for clean, failed in counts)
        found.append({"text": query.text[condition.start : condition.end], "rest": rest or None, "count": count})
    return found


def _range_pairs(visit: Visit) -> list[tuple[str, str]]:
    # The default stands first, as the first of a row of tabs is not written into the address.
    keys = ["7d", *(key for key in RANGES if key != "7d")]
    return [(key, visit.text(RANGES[key][1])) for key in keys]


def _range_name(visit: Visit, span: TimeRange) -> str:
    if span.key is not None:
        return visit.text(RANGES[span.key][1])
    zone, now_ns = visit.frame.zone, visit.frame.now_ns
    start, end = (formatting.short_stamp(each, zone, now_ns) for each in (span.from_ns, span.to_ns))
    return f"{start} – {end}"


def _ways(visit: Visit, query: Query | None, span: TimeRange) -> list[tuple[str, str]]:
    """The query as the API reads it; a time that was chosen goes along where it can be said."""
    line = api_line(query.where) if query else ""
    sort = _sort(visit.param("sort"))
    is_sorted = sort is not TraceSort.NEWEST
    arguments = [repr(line)] if line else []
    arguments += [f"sort={str(sort)!r}"] if is_sorted else []
    arguments += [] if span.key else [f"from_ns={span.from_ns}", f"to_ns={span.to_ns}"]
    command = "aiplatform traces list" + (f" {quote(line)}" if line else "") + (f" --sort {sort}" if is_sorted else "")
    return visit.ways(visit.address(*STATE), command, f"aip.traces.list({', '.join(arguments)})")


def _sort(value: str | None) -> TraceSort:
    return TraceSort(value) if value in set(TraceSort) else TraceSort.NEWEST


def _plain(problem: Any) -> dict[str, Any]:
    return {"message": problem.message, "hint": problem.hint, "code": problem.code}
