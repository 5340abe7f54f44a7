"""Langfuse's own paths, so that its stock clients work with this platform's address and a key of it.

A client is given the key as its secret key; the public key may be anything. Traces arrive as OTLP, scores in lists.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Body
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.routing import Route

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Guarded, Routes
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.model import ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.service import Traces
from aiplatform.tracing.status_bodies import LANGFUSE_PREFIX

MAX_SCORES: Final = 1_000
_TYPES: Final = {
    "NUMERIC": ScoreType.NUMERIC,
    "BOOLEAN": ScoreType.BOOLEAN,
    "CATEGORICAL": ScoreType.LABEL,
    "TEXT": ScoreType.TEXT,
    "CORRECTION": ScoreType.TEXT,
}


class LangfuseScore(BaseModel):
    """A score as Langfuse's clients send it. What it says beside these fields is not kept."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    id: str | None = None
    trace_id: str | None = None
    observation_id: str | None = None
    name: str
    value: bool | float | str
    comment: Annotated[str, Field(max_length=10_000)] | None = None
    data_type: Literal["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"] | None = None
    source: Literal["API", "ANNOTATION"] | None = None


def build_langfuse_routes(service: Traces, entries: tuple[SignalEntry, ...], *, max_body_bytes: int) -> Routes:
    """The paths that Langfuse's clients call.

    Args:
        service: Where scores go.
        entries: What takes OTLP's requests.
        max_body_bytes: Bound of an OTLP request, before and after decompression.
    """
    routes = Routes(tags=["traces"], include_in_schema=False)
    for entry in entries:
        endpoint = Guarded(OtlpEndpoint(entry, max_body_bytes=max_body_bytes), entry.signal.permission)
        routes.routes.append(Route(LANGFUSE_PREFIX + entry.signal.path, endpoint, methods=["POST"]))

    @routes.get("/api/public/projects", permission=Permission.SIGNED_IN)
    def projects(caller: CallerDep) -> dict[str, Any]:
        """The project that the key works in: clients ask for it to see whether their key is one."""
        organization = {"id": caller.tenant_id, "name": caller.tenant_id}
        project = {"id": caller.project_id, "name": caller.project_id, "organization": organization, "metadata": {}}
        return {"data": [project]}

    @routes.post("/api/public/scores", permission=Permission.SCORES_WRITE)
    def add_scores(caller: CallerDep, body: Annotated[Any, Body()]) -> JSONResponse:
        """One score, or a list of them of which each stands for itself."""
        if not isinstance(body, list):
            return JSONResponse({"id": _add(service, caller, body)})
        if len(body) > MAX_SCORES:
            raise InvalidError(N_("A request may hold at most {limit} scores."), limit=MAX_SCORES)
        problems: list[str] = []
        for item in body:
            try:
                _add(service, caller, item)
            except InvalidError as error:
                problems.append(str(error))
        if not problems:
            return JSONResponse({"message": "Accepted"}, status_code=202)
        counts = {"accepted": len(body) - len(problems), "rejected": len(problems)}
        return JSONResponse({**counts, "errors": [{"message": text} for text in problems]}, status_code=207)

    return routes


def _add(service: Traces, caller: Caller, item: Any) -> str:
    try:
        sent = LangfuseScore.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidError(N_("{place}: {problem}."), place=place or "score", problem=first["msg"]) from None
    if sent.trace_id is None:
        raise InvalidError(N_("A score needs the id of a trace; scores of sessions and data set runs are not kept."))
    wanted = _TYPES[sent.data_type] if sent.data_type is not None else None
    score = service.add_score(
        caller.scope,
        trace_id=sent.trace_id,
        span_id=sent.observation_id,
        name=sent.name,
        value=_value(sent, wanted),
        type=wanted,
        source=ScoreSource.HUMAN if sent.source == "ANNOTATION" else ScoreSource.CODE,
        principal=caller.principal,
        comment=sent.comment,
        score_id=sent.id,
    )
    return score.score_id


def _value(sent: LangfuseScore, wanted: ScoreType | None) -> ScoreValue:
    """The value; Langfuse writes yes and no as 1 and 0."""
    if wanted is ScoreType.BOOLEAN and not isinstance(sent.value, bool):
        if sent.value not in {0, 1}:
            raise InvalidError(N_("The boolean score {name!r} must be 0 or 1."), name=sent.name)
        return bool(sent.value)
    if wanted is ScoreType.NUMERIC and isinstance(sent.value, bool):
        return float(sent.value)
    return sent.value
