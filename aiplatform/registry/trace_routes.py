"""Traces as rows: of a data set (`/api/v1/datasets/{name}:add-traces`), or to be evaluated (`/api/v1/traces:rows`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from aiplatform.registry.from_traces import MAX_TRACES, Added, TraceChoice, TraceCollector
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.query.parser import MAX_CHARACTERS


class RowsBody(BaseModel):
    """Which traces, and what is expected of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    trace_ids: Annotated[list[str], Field(max_length=MAX_TRACES)] | None = None
    """These traces, in this order; else what the query finds, its newest thousand, oldest first."""

    query: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""
    from_ns: int | None = None
    to_ns: int | None = None
    expected: Annotated[str, Field(max_length=200)] | None = None
    """Name of the score whose value is the expected answer; `output` for the answer that was given."""


class TracesBody(RowsBody):
    """Traces to add to a data set."""

    description: Annotated[str, Field(max_length=10_000)] = ""
    """By default what the version before said."""


def build_trace_routes(collector: TraceCollector) -> Routes:
    """The routes that make rows from traces."""
    routes = Routes(tags=["registry"])

    @routes.post("/api/v1/datasets/{name}:add-traces", permission=Permission.DATASETS_WRITE, status_code=201)
    def add_traces(name: str, body: TracesBody, caller: CallerDep) -> dict[str, Any]:
        """Add traces to a data set as its next version; traces that it holds already are not added again."""
        added = collector.add(caller, name, _choice(body), expected=body.expected, description=body.description)
        return added_json(added)

    @routes.post("/api/v1/traces:rows", permission=Permission.TRACES_READ)
    def trace_rows(body: RowsBody, caller: CallerDep) -> dict[str, Any]:
        """Traces as rows to evaluate: input, output, expectation and scores of each; nothing is kept."""
        return {"items": collector.rows(caller, _choice(body), expected=body.expected)}

    return routes


def _choice(body: RowsBody) -> TraceChoice:
    return TraceChoice(
        trace_ids=None if body.trace_ids is None else tuple(body.trace_ids),
        query=body.query,
        from_ns=body.from_ns,
        to_ns=body.to_ns,
    )


def added_json(added: Added) -> dict[str, Any]:
    """What came of it, as the API shows it."""
    return asdict(added)
