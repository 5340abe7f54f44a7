"""`/api/v1/traces/export`, `/api/v1/redaction`, `/api/v1/retention`, `/api/v1/cold`, erasure: what is kept, where."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.cold.policy import cold_json
from aiplatform.tracing.erasure import Subject
from aiplatform.tracing.export import ExportOrder
from aiplatform.tracing.export_model import SCHEMA_HEADER, SCHEMA_VERSION, ExportFormat, ExportLevel
from aiplatform.tracing.redaction import RedactionPolicy, Replacement
from aiplatform.tracing.redaction_service import policy_json
from aiplatform.tracing.retention import retention_json

if TYPE_CHECKING:
    from aiplatform.tracing.service import Traces

MAX_QUERY: Final = 10_000
MAX_PREVIEW_CHARACTERS: Final = 100_000
Name = Annotated[str | None, Query(max_length=400)]
_MEDIA_TYPES: Final = {
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
    ExportFormat.JSONL: "application/x-ndjson",
}


class PolicyLevel(StrEnum):
    """For whom a policy is."""

    TENANT = "tenant"
    """Every project of the tenant that has none of its own."""

    PROJECT = "project"
    """The caller's project."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class PatternBody(_Body):
    """A pattern of the tenant's own."""

    name: str
    pattern: str
    """A regular expression without look-around and back references."""


class RedactionBody(_Body):
    """What is taken out before anything is stored."""

    rules: list[str] = []
    """Of `secret`, `email`, `id`, `card`, `phone`."""

    patterns: list[PatternBody] = []
    attributes: list[str] = []
    """Names, with * and ?, whose values are removed whole."""

    replacement: Replacement = Replacement.LABEL


class RetentionBody(_Body):
    """How long traces are kept, and which are kept for ever."""

    keep_days: float
    """Days after a trace's end."""

    keep_errors: bool = False
    keep_slower_than_s: float | None = None
    keep_costlier_than: float | None = None
    keep_costlier_currency: str = "USD"
    """Of that amount; what a trace cost in another currency is not compared with it."""

    keep_percent: float = 0.0
    """So many of a hundred stay, chosen by their id."""


class ColdBody(_Body):
    """How long spans stay in the database."""

    hot_days: float
    """Days after a trace's end."""


class RetentionPreviewBody(_Body):
    """A policy to try."""

    policy: RetentionBody | None = None
    """By default the one in force."""


class PreviewBody(_Body):
    """Texts to try a policy on."""

    texts: Annotated[list[Annotated[str, Field(max_length=MAX_PREVIEW_CHARACTERS)]], Field(max_length=100)]
    policy: RedactionBody | None = None
    """By default the one in force."""


def add_keep_routes(routes: Routes, service: Traces) -> None:
    """Add these routes to the room's; before those whose path has a trace's id in the same place."""
    _add_export(routes, service)
    _add_redaction(routes, service)
    _add_retention(routes, service)
    _add_cold(routes, service)
    _add_erasure(routes, service)


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


def _add_redaction(routes: Routes, service: Traces) -> None:
    redaction = service.redaction

    @routes.get("/api/v1/redaction", permission=Permission.REDACTION_READ)
    def get_redaction(caller: CallerDep) -> dict[str, Any]:
        """What is redacted in the project, and where that is set."""
        state = redaction.state(caller)
        return {
            "in_force": _shown(state.in_force),
            "tenant": _shown(state.tenant),
            "project": _shown(state.project),
        }

    @routes.put("/api/v1/redaction", permission=Permission.REDACTION_WRITE)
    def set_redaction(
        caller: CallerDep, body: RedactionBody, level: PolicyLevel = PolicyLevel.TENANT
    ) -> dict[str, Any]:
        """Set what is redacted, for spans that arrive from now on. Every process follows within seconds."""
        is_tenant = level is PolicyLevel.TENANT
        return policy_json(redaction.set(caller, body.model_dump(mode="json"), whole_tenant=is_tenant))

    @routes.delete("/api/v1/redaction", permission=Permission.REDACTION_WRITE, status_code=204)
    def remove_redaction(caller: CallerDep, level: PolicyLevel = PolicyLevel.TENANT) -> Response:
        """Redact nothing any more; what was taken out stays out."""
        redaction.remove(caller, whole_tenant=level is PolicyLevel.TENANT)
        return Response(status_code=204)

    @routes.post("/api/v1/redaction/preview", permission=Permission.REDACTION_WRITE)
    def preview_redaction(caller: CallerDep, body: PreviewBody) -> dict[str, Any]:
        """Texts as a policy would leave them, and how often each kind was found; nothing is kept."""
        given = None if body.policy is None else body.policy.model_dump(mode="json")
        texts, found = redaction.preview(caller, body.texts, given)
        return {"texts": [*texts], "found": dict(found)}


def _add_retention(routes: Routes, service: Traces) -> None:
    retention = service.retention

    @routes.get("/api/v1/retention", permission=Permission.RETENTION_READ)
    def get_retention(caller: CallerDep) -> dict[str, Any]:
        """How long the project's traces are kept, and where that is set; null where they are kept for ever."""
        state = retention.state(caller)
        found = {"in_force": state.in_force, "tenant": state.tenant, "project": state.project}
        return {name: None if policy is None else retention_json(policy) for name, policy in found.items()}

    @routes.put("/api/v1/retention", permission=Permission.RETENTION_WRITE)
    def set_retention(
        caller: CallerDep, body: RetentionBody, level: PolicyLevel = PolicyLevel.TENANT
    ) -> dict[str, Any]:
        """Set how long traces are kept; the worker begins within minutes."""
        is_tenant = level is PolicyLevel.TENANT
        return retention_json(retention.set(caller, body.model_dump(), whole_tenant=is_tenant))

    @routes.delete("/api/v1/retention", permission=Permission.RETENTION_WRITE, status_code=204)
    def remove_retention(caller: CallerDep, level: PolicyLevel = PolicyLevel.TENANT) -> Response:
        """Keep traces for ever again."""
        retention.remove(caller, whole_tenant=level is PolicyLevel.TENANT)
        return Response(status_code=204)

    @routes.post("/api/v1/retention/preview", permission=Permission.RETENTION_WRITE)
    def preview_retention(caller: CallerDep, body: RetentionPreviewBody) -> dict[str, Any]:
        """What a policy would remove from the project now; nothing goes."""
        given = None if body.policy is None else body.policy.model_dump()
        return asdict(retention.preview(caller, given))


def _add_cold(routes: Routes, service: Traces) -> None:
    cold = service.cold

    @routes.get("/api/v1/cold", permission=Permission.RETENTION_READ)
    def get_cold(caller: CallerDep) -> dict[str, Any]:
        """When spans move to files, where that is set, and what of the project lies there; null where nothing moves."""
        state = cold.state(caller)
        found = {"in_force": state.in_force, "tenant": state.tenant, "project": state.project}
        policies = {name: None if policy is None else cold_json(policy) for name, policy in found.items()}
        return {**asdict(state), **policies}

    @routes.put("/api/v1/cold", permission=Permission.RETENTION_WRITE)
    def set_cold(caller: CallerDep, body: ColdBody, level: PolicyLevel = PolicyLevel.TENANT) -> dict[str, Any]:
        """Set how long spans stay in the database; the worker begins within minutes."""
        return cold_json(cold.set(caller, body.model_dump(), whole_tenant=level is PolicyLevel.TENANT))

    @routes.delete("/api/v1/cold", permission=Permission.RETENTION_WRITE, status_code=204)
    def remove_cold(caller: CallerDep, level: PolicyLevel = PolicyLevel.TENANT) -> Response:
        """Move nothing any more; what lies in files stays there, and is found as before."""
        cold.remove(caller, whole_tenant=level is PolicyLevel.TENANT)
        return Response(status_code=204)


def _add_erasure(routes: Routes, service: Traces) -> None:
    @routes.delete("/api/v1/traces", permission=Permission.TRACES_DELETE)
    def erase_traces(
        caller: CallerDep,
        user_id: Name = None,
        session_id: Name = None,
        trace_id: Name = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Erase every trace of a user, a session or an id, with all that hangs on it; what is named must all hold."""
        subject = Subject(user_id=user_id or None, session_id=session_id or None, trace_id=trace_id or None)
        if dry_run:
            return {**asdict(service.erasure.count(caller, subject)), "dry_run": True}
        return {**asdict(service.erasure.erase(caller, subject)), "dry_run": False}


def _shown(policy: RedactionPolicy | None) -> dict[str, Any] | None:
    return None if policy is None else policy_json(policy)


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
