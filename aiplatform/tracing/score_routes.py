"""`/api/v1/scores`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.model import Score, ScoreSource, ScoreType
from aiplatform.tracing.scoring import MAX_NAMES

if TYPE_CHECKING:
    from aiplatform.tracing.service import Traces


class ScoreBody(BaseModel):
    """A judgement about a trace, or about one span of it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    trace_id: str
    span_id: str | None = None
    name: str
    value: bool | float | str
    source: ScoreSource = ScoreSource.CODE
    type: ScoreType | None = None
    """By default what the value is: boolean, numeric, or label."""

    comment: Annotated[str, Field(max_length=10_000)] | None = None
    score_id: str | None = None
    """An id of the caller's own: the same one again replaces the score, unless it is another person's."""


def add_score_routes(routes: Routes, service: Traces) -> None:
    """The routes of scores."""

    @routes.get("/api/v1/scores", permission=Permission.TRACES_READ)
    def list_scores(
        caller: CallerDep,
        trace_id: str | None = None,
        name: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Scores of a trace or of the project, newest first."""
        trace_ids = None if trace_id is None else [trace_id]
        found = service.scores(caller.scope, trace_ids=trace_ids, name=name, limit=limit)
        return {"items": [score_json(score) for score in found], "next": None}

    @routes.post("/api/v1/scores", permission=Permission.SCORES_WRITE, status_code=201)
    def add_score(caller: CallerDep, body: ScoreBody) -> dict[str, Any]:
        """Judge a trace or a span."""
        if body.score_id is not None:
            service.scoring.check_replacing(caller, body.score_id)
        score = service.add_score(caller.scope, principal=caller.principal, **body.model_dump())
        return score_json(score)

    @routes.get("/api/v1/scores/names", permission=Permission.TRACES_READ)
    def list_names(caller: CallerDep, limit: Annotated[int, Query(ge=1, le=MAX_NAMES)] = MAX_NAMES) -> dict[str, Any]:
        """Names that scores of the project have, the commonest first, each with its type and its labels."""
        return {"items": [asdict(name) for name in service.scoring.names(caller.scope, limit=limit)]}

    @routes.delete("/api/v1/scores/{score_id}", permission=Permission.SCORES_WRITE)
    def delete_score(caller: CallerDep, score_id: str) -> dict[str, Any]:
        """Take a score away, one's own or, for admins, any; the answer is the score as it was."""
        return score_json(service.scoring.delete(caller, score_id))


def score_json(score: Score) -> dict[str, Any]:
    """A score as the API shows it."""
    return asdict(score)
