"""The list of traces: query line, time, histogram, table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import KIND_NAMES, STATUS_NAMES, SpanKind, Status, TraceFilter, TraceSort
from aiplatform.ui import formatting
from aiplatform.ui.geometry import columns_for
from aiplatform.ui.site import BASE, Site, Visit, problem_of
from aiplatform.ui.views.query import FIELDS, Query, QueryError, parse
from aiplatform.ui.views.timerange import RANGES, TimeRange, time_range

PAGE_SIZE: Final = 50
NUM_COLUMNS: Final = 60
FACET_KINDS: Final = (SpanKind.AGENT, SpanKind.LLM, SpanKind.RETRIEVER, SpanKind.TOOL, SpanKind.EMBEDDING)
STATE: Final = ("q", "last", "from", "to", "sort", "after")
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
            "ways": _ways(visit, line, span),
        }
        try:
            query = parse(line)
        except QueryError as error:
            start, end = error.span
            marked = (line[:start], line[start:end], line[end:])
            problem = {**_plain(problem_of(error, visit.locale)), "marked": marked, "near": error.fields.get("near")}
            if problem["near"]:
                problem["better"] = line[:start] + problem["near"] + line[end:]
            return visit.page("pages/traces.html", view, query_problem=problem, found=None, status=422)
        return visit.page("pages/traces.html", view, found=_found(site, visit, query, span))


def _found(site: Site, visit: Visit, query: Query, span: TimeRange) -> dict[str, Any]:
    services, scope = site.services, visit.caller.scope
    where = replace(query.where, from_ns=span.from_ns, to_ns=span.to_ns)
    sort = _sort(visit.param("sort"))
    page, problem = visit.attempt(
        lambda: services.traces.list(scope, where, sort=sort, limit=PAGE_SIZE, page=visit.param("after"))
    )
    counts = services.traces.histogram(scope, where, from_ns=span.from_ns, to_ns=span.to_ns, num_buckets=NUM_COLUMNS)
    width = span.length_ns // NUM_COLUMNS
    buckets = [(span.from_ns + index * width, clean + failed, failed) for index, (clean, failed) in enumerate(counts)]
    total, failed = sum(each[1] for each in buckets), sum(each[2] for each in buckets)
    items = list(page.items) if page else []
    scores: dict[str, list[Any]] = {}
    for score in services.traces.scores(scope, trace_ids=[item.trace_id for item in items]) if items else ():
        scores.setdefault(score.trace_id, []).append(score)
    durations = sorted(item.duration_ns for item in items)
    return {
        "page": page,
        "problem": problem,
        "items": items,
        "scores": scores,
        "columns": columns_for(buckets, width_ns=width),
        "bucket": str(formatting.duration(width)),
        "axis": [span.from_ns + span.length_ns * part // 4 for part in range(5)],
        "total": total,
        "failed": failed,
        "slow_from": durations[int(len(durations) * 0.95)] if len(durations) >= 20 else None,
        "sorts": visit.address(*STATE).tabs(
            "sort", [(str(key), visit.text(name)) for key, name in SORT_NAMES.items()], str(sort), after=None
        ),
        "facets": _facets(visit, query),
        "conditions": [(query.text[each.start : each.end], query.without(each)) for each in query.conditions],
        "is_ever": bool(items) or bool(services.traces.list(scope, TraceFilter(), limit=1).items),
        "is_text": query.where.text is not None,
    }


def _facets(visit: Visit, query: Query) -> list[tuple[str, list[dict[str, Any]]]]:
    address = visit.address(*STATE)

    def choices(field: str, pairs: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
        current = query.value(field)
        return [
            {
                "name": name,
                "icon": icon,
                "value": value,
                "is_current": current == value,
                "href": address.to(q=query.narrowed(field, None if current == value else value) or None, after=None),
            }
            for value, name, icon in pairs
        ]

    statuses = [(str(each), visit.text(STATUS_NAMES[each]), "") for each in Status]
    kinds = [(str(each), visit.text(KIND_NAMES[each]), str(each)) for each in FACET_KINDS]
    return [
        (visit.text(N_("Status")), choices("status", statuses)),
        (visit.text(N_("Holds a span of kind")), choices("kind", kinds)),
    ]


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


def _ways(visit: Visit, line: str, span: TimeRange) -> list[tuple[str, str]]:
    last = f" --last {span.key}" if span.key else ""
    search = f", text={line!r}" if line else ""
    return [
        (visit.text(N_("Link")), str(visit.address(*STATE))),
        ("CLI", f"aiplatform traces list{_shell(line)}{last}"),
        ("Python", f"aip.traces.list(project={visit.caller.project_id!r}{search})"),
    ]


def _shell(line: str) -> str:
    return "" if not line else " '" + line.replace("'", "'\\''") + "'"


def _sort(value: str | None) -> TraceSort:
    return TraceSort(value) if value in set(TraceSort) else TraceSort.NEWEST


def _plain(problem: Any) -> dict[str, Any]:
    return {"message": problem.message, "hint": problem.hint, "code": problem.code}
