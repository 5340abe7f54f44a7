"""`/api/v1/traces/searches`: saved searches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.model import TraceSort
from aiplatform.tracing.query.parser import MAX_CHARACTERS
from aiplatform.tracing.searches import MAX_NAME, Searches, SearchForm

Name = Annotated[str, Field(max_length=MAX_NAME)]
Query = Annotated[str, Field(max_length=MAX_CHARACTERS)]


class SearchBody(BaseModel):
    """A search to save."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Name
    """Once a project."""

    query: Query = ""
    """A line of the query language."""

    last: str | None = None
    """A range that ends when it is opened: `30m`, `1h`, `6h`, `24h`, `3d`, `7d`, `30d`."""

    from_ns: int | None = None
    """Else its beginning and its end, in nanoseconds since 1970; without either, any time."""

    to_ns: int | None = None
    sort: TraceSort = TraceSort.NEWEST


class SearchChangeBody(BaseModel):
    """What changes of a search; what is left out stays."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Name = ""
    query: Query = ""
    last: str | None = None
    """A time that is given takes the place of the whole old one."""

    from_ns: int | None = None
    to_ns: int | None = None
    sort: TraceSort = TraceSort.NEWEST


def add_searches(routes: Routes, searches: Searches) -> None:
    """Add these routes to the room's; before those whose path has a trace's id in the same place."""

    @routes.get("/api/v1/traces/searches", permission=Permission.TRACES_READ)
    def list_searches(caller: CallerDep) -> dict[str, Any]:
        """Every saved search of the project, by name."""
        return {"items": [asdict(search) for search in searches.list(caller)], "next": None}

    @routes.post("/api/v1/traces/searches", permission=Permission.SEARCHES_WRITE, status_code=201)
    def create_search(caller: CallerDep, body: SearchBody) -> dict[str, Any]:
        """Save a search under a name that the project shares."""
        return asdict(searches.create(caller, SearchForm(**body.model_dump())))

    @routes.get("/api/v1/traces/searches/{search_id}", permission=Permission.TRACES_READ)
    def get_search(caller: CallerDep, search_id: str) -> dict[str, Any]:
        """One saved search."""
        return asdict(searches.get(caller, search_id))

    @routes.patch("/api/v1/traces/searches/{search_id}", permission=Permission.SEARCHES_WRITE)
    def change_search(caller: CallerDep, search_id: str, body: SearchChangeBody) -> dict[str, Any]:
        """Rename a saved search, or change what it finds."""
        return asdict(searches.change(caller, search_id, body.model_dump(exclude_unset=True)))

    @routes.delete("/api/v1/traces/searches/{search_id}", permission=Permission.SEARCHES_WRITE, status_code=204)
    def delete_search(caller: CallerDep, search_id: str) -> Response:
        """Delete a saved search."""
        searches.remove(caller, search_id)
        return Response(status_code=204)
