"""`/api/v1/traces`, `/api/v1/scores` and `/api/v1/prices`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request, Response

from aiplatform.core.i18n import translate
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.responses import locale_of
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.comparing import TraceComparison, compare, content_change, differences
from aiplatform.tracing.conditional import answer_by_content, answer_unless_known, entity_tag
from aiplatform.tracing.facet_routes import add_facets
from aiplatform.tracing.mlflow_filter import conditions
from aiplatform.tracing.model import (
    SpanDetail,
    SpanKind,
    SpanRow,
    Status,
    TraceFilter,
    TraceSort,
    TraceSummary,
    TraceTree,
)
from aiplatform.tracing.price_routes import build_price_routes
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.query.complete import Completion
from aiplatform.tracing.query.parser import MAX_CHARACTERS
from aiplatform.tracing.routes_keep import add_keep_routes
from aiplatform.tracing.score_routes import add_score_routes, score_json
from aiplatform.tracing.search_routes import add_searches
from aiplatform.tracing.service import MAX_COMPLETIONS, MAX_PAGE, Traces
from aiplatform.tracing.session_routes import add_sessions
from aiplatform.tracing.usage_routes import add_usage_routes


def build_routes(service: Traces) -> Routes:
    """The room's HTTP interface."""
    routes = Routes(tags=["traces"])
    add_keep_routes(routes, service)
    add_facets(routes, service.facets)
    add_searches(routes, service.searches)
    add_usage_routes(routes, service.usage)

    @routes.get("/api/v1/traces", permission=Permission.TRACES_READ)
    def list_traces(
        caller: CallerDep,
        q: str | None = None,
        filter_string: str | None = None,
        status: Status | None = None,
        kind: SpanKind | None = None,
        model: str | None = None,
        name: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        sort: TraceSort = TraceSort.NEWEST,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        page: str | None = None,
    ) -> dict[str, Any]:
        """Traces of the project, newest first.

        `q` takes the query language of `docs/search.md`, `filter_string` that of MLflow's `search_traces`; where both
        are given, both must hold. A page may hold fewer than `limit` traces and still have a `next`: a search through
        cold spans comes so far at a time, to `reached_ns`.
        """
        given: dict[str, Any] = {
            "status": status,
            "kind": kind,
            "model": model,
            "name": name,
            "session_id": session_id,
            "user_id": user_id,
            "from_ns": from_ns,
            "to_ns": to_ns,
        }
        given["mlflow"] = conditions(filter_string)
        where = read_filter(q or "", TraceFilter(**{key: value for key, value in given.items() if value is not None}))
        found = service.list(caller.scope, where, sort=sort, limit=limit, page=page)
        answer: dict[str, Any] = {"items": [summary_json(item) for item in found.items], "next": found.next}
        if found.reached_ns is not None:
            answer["reached_ns"] = found.reached_ns
        if found.freshness is not None:
            answer["freshness"] = asdict(found.freshness)
            answer["is_cut"] = found.is_cut
        return answer

    @routes.get("/api/v1/traces/complete", permission=Permission.TRACES_READ)
    def complete(
        request: Request,
        caller: CallerDep,
        q: Annotated[str, Query(max_length=MAX_CHARACTERS)] = "",
        at: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_COMPLETIONS)] = 20,
    ) -> dict[str, Any]:
        """Ways to go on with a query: each replaces its characters from `start` to `end`."""
        found = service.complete(caller.scope, q, at, limit=limit)
        return completion_json(found, locale_of(request.scope))

    @routes.get("/api/v1/traces/compare", permission=Permission.TRACES_READ)
    def compare_traces(caller: CallerDep, a: str, b: str, pair: int | None = None) -> dict[str, Any]:
        """Two traces side by side; with `pair`, what the spans of that pair say, compared."""
        compared = compare(service, caller.scope, a, b)
        answer = comparison_json(compared)
        if pair is not None:
            changed = content_change(service, caller.scope, compared, pair)
            answer["content"] = {
                "pair": pair,
                "input": [asdict(piece) for piece in changed.input],
                "output": [asdict(piece) for piece in changed.output],
            }
        return answer

    @routes.get("/api/v1/traces/{trace_id}", permission=Permission.TRACES_READ)
    def get_trace(request: Request, caller: CallerDep, trace_id: str) -> Response:
        """A trace with its spans in tree order, and its scores; 304 where `If-None-Match` names its `ETag`."""
        summary = service.summary(caller.scope, trace_id)
        scores = service.scores(caller.scope, trace_ids=[summary.trace_id])
        # Whatever changes a span changes its trace's summary: when it was written last, or what it sums up to.
        tag = entity_tag(summary, [(score.score_id, score.created_ns, score.value) for score in scores])
        return answer_unless_known(request, tag, lambda: trace_json(service.get(caller.scope, trace_id)))

    @routes.get("/api/v1/traces/{trace_id}/spans/{span_id}", permission=Permission.TRACES_READ)
    def get_span(request: Request, caller: CallerDep, trace_id: str, span_id: str) -> Response:
        """Everything about one span; 304 where `If-None-Match` names its `ETag`."""
        return answer_by_content(request, detail_json(service.span(caller.scope, trace_id, span_id)))

    add_score_routes(routes, service)
    add_sessions(routes, service.sessions)
    routes.routes.extend(build_price_routes(service.prices).routes)
    return routes


def completion_json(found: Completion, locale: str) -> dict[str, Any]:
    """Suggestions as the API shows them, explained in the reader's language."""
    items = [{"text": each.text, "what": translate(each.what, locale)} for each in found.items]
    return {"start": found.start, "end": found.end, "items": items}


def comparison_json(compared: TraceComparison) -> dict[str, Any]:
    """Two traces side by side as the API shows them."""
    return {
        "a": summary_json(compared.a.summary),
        "b": summary_json(compared.b.summary),
        "num_different": compared.num_different,
        "pairs": [
            {
                "depth": pair.depth,
                "name": pair.name,
                "a": span_json(pair.a) if pair.a else None,
                "b": span_json(pair.b) if pair.b else None,
                "duration_change_ns": pair.duration_change_ns,
                "differences": list(differences(pair)),
            }
            for pair in compared.pairs
        ],
    }


def trace_json(tree: TraceTree) -> dict[str, Any]:
    """A trace with its spans and scores as the API shows it."""
    return {
        **summary_json(tree.summary),
        "spans": [span_json(row) for row in tree.spans],
        "scores": [score_json(score) for score in tree.scores],
    }


def summary_json(summary: TraceSummary) -> dict[str, Any]:
    """A trace's summary as the API shows it."""
    return {**asdict(summary), "usage": _usage_json(summary)}


def span_json(row: SpanRow) -> dict[str, Any]:
    """A span without payload as the API shows it."""
    return {**asdict(row), "usage": _usage_json(row)}


def detail_json(detail: SpanDetail) -> dict[str, Any]:
    """A span with everything as the API shows it."""
    found = asdict(detail)
    row = found.pop("row")
    return {**row, **found, "usage": _usage_json(detail)}


def _usage_json(holder: TraceSummary | SpanRow | SpanDetail) -> Mapping[str, int | None]:
    return {**asdict(holder.usage), "total_tokens": holder.usage.total_tokens}
