"""`/api/v1/sessions`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.sessions import MAX_PAGE, MAX_TURNS, Conversation, Sessions


def add_sessions(routes: Routes, sessions: Sessions) -> None:
    """The routes of sessions."""

    @routes.get("/api/v1/sessions", permission=Permission.TRACES_READ)
    def list_sessions(
        caller: CallerDep,
        q: str | None = None,
        user_id: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        page: str | None = None,
    ) -> dict[str, Any]:
        """Sessions of the project, the one seen last first. `q` is part of a session's id."""
        found = sessions.list(
            caller.scope, text=q, user_id=user_id, from_ns=from_ns, to_ns=to_ns, limit=limit, page=page
        )
        return {"items": [asdict(item) for item in found.items], "next": found.next}

    @routes.get("/api/v1/sessions/{session_id:path}", permission=Permission.TRACES_READ)
    def get_session(
        caller: CallerDep,
        session_id: str,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_TURNS)] = MAX_TURNS,
    ) -> dict[str, Any]:
        """One session as a conversation, in order."""
        return conversation_json(sessions.get(caller.scope, session_id, offset=offset, limit=limit))


def conversation_json(found: Conversation) -> dict[str, Any]:
    """A conversation as the API shows it."""
    turns = [
        {
            "trace_id": turn.trace.trace_id,
            "name": turn.trace.name,
            "start_ns": turn.trace.start_ns,
            "duration_ns": turn.trace.duration_ns,
            "status": turn.trace.status,
            "num_errors": turn.trace.num_errors,
            "cost": turn.trace.cost,
            "currency": turn.trace.currency,
            "costs": turn.trace.costs,
            "user_id": turn.trace.user_id,
            "question": turn.question,
            "answer": turn.answer,
            "scores": [asdict(score) for score in turn.scores],
        }
        for turn in found.turns
    ]
    return {**asdict(found.summary), "turns": turns, "next": found.next}
