"""`/api/v1/traces/export`: what is kept, how long, and how it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
from fastapi import Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.export import ExportOrder
from aiplatform.tracing.export_model import SCHEMA_HEADER, SCHEMA_VERSION, ExportFormat, ExportLevel

if TYPE_CHECKING:
    from aiplatform.tracing.service import Traces

MAX_QUERY: Final = 10_000
_MEDIA_TYPES: Final = {
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
    ExportFormat.JSONL: "application/x-ndjson",
}


def add_keep_routes(routes: Routes, service: Traces) -> None:
    """Add these routes to the room's; before those whose path has a trace's id in the same place."""
    _add_export(routes, service)


def _add_export(routes: Routes, service: Traces) -> None:
    @routes.get("/api/v1/traces/export", permission=Permission.TRACES_READ, response_class=StreamingResponse)
    def export_traces(
        caller: CallerDep,
        q: Annotated[str, Query(max_length=MAX_QUERY)] = "",
        format: ExportFormat = ExportFormat.PARQUET,  # noqa: A002 - the parameter's name
        level: ExportLevel = ExportLevel.TRACES,
        from_ns: int | None = None,
        to_ns: int | None = None,
    ) -> ExportResponse:
        """Everything that `q` finds as one file, oldest first, from one state of the database."""
        order = ExportOrder(query=q, from_ns=from_ns, to_ns=to_ns, level=level, format=format)
        headers = {
            "content-disposition": f'attachment; filename="{level}-{caller.project_id}.{format}"',
            "x-content-type-options": "nosniff",
            SCHEMA_HEADER: f"{level}/{SCHEMA_VERSION}",
        }
        return ExportResponse(service.exports.open(caller.scope, order), _MEDIA_TYPES[format], headers)


class ExportResponse(StreamingResponse):
    """A file that is made while it is sent, and let go of when the reader leaves.

    The first piece is made before the answer begins, so that what is wrong by then has a status of its own. What goes
    wrong later cuts the connection: no reader takes a part for the whole.
    """

    def __init__(self, pieces: Iterator[bytes], media_type: str, headers: dict[str, str]) -> None:
        self._pieces: Any = pieces
        first = next(pieces, b"")
        super().__init__(self._all(first), media_type=media_type, headers=headers)

    async def _all(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        while (piece := await anyio.to_thread.run_sync(next, self._pieces, None)) is not None:
            yield piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; whatever happens, its transaction ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._pieces.close)
