"""Sessions: the traces that one conversation left behind, listed and read as that conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.contents import answer, question
from aiplatform.tracing.model import Score, TraceSummary
from aiplatform.tracing.store import sessions as store
from aiplatform.tracing.store.scores import scores_by_trace
from aiplatform.tracing.store.sessions import SessionSummary

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tracing.cold.service import Cold
    from aiplatform.tracing.model import SpanDetail

__all__ = ["Conversation", "SessionPage", "SessionSummary", "Sessions", "Turn"]

MAX_PAGE: Final = 200
MAX_SCORES: Final = 1_000
MAX_TURNS: Final = 100
"""Turns of a conversation that are read at once."""

MAX_TEXT: Final = 20_000
"""Characters of what was said that a turn carries; the trace has it whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """A page of sessions, the one seen last first."""

    items: Sequence[SessionSummary]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One trace of a session: what was asked, what was answered."""

    trace: TraceSummary
    question: str
    answer: str
    scores: Sequence[Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A session in the order in which it was led."""

    summary: SessionSummary
    turns: Sequence[Turn]
    next: int | None
    """How many turns stand before the next page; None on the last one."""


class Sessions:
    """Sessions of any project. Thread safe.

    Args:
        database: Where traces rest.
        cold: Spans that lie elsewhere.
    """

    def __init__(self, database: Database, cold: Cold) -> None:
        self._database = database
        self._cold = cold

    def list(
        self,
        scope: Scope,
        *,
        text: str | None = None,
        user_id: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        limit: int = 50,
        page: str | None = None,
    ) -> SessionPage:
        """Sessions, the one seen last first. Figures count the traces that began in the asked time.

        Args:
            scope: Tenant and project.
            text: Part of a session's id, in any case.
            user_id: Only sessions in which this user took part.
            from_ns: Only traces that began then or later.
            to_ns: Only traces that began before.
            limit: Sessions a page, 1 to 200.
            page: The `next` of the page before.

        Raises:
            InvalidError: The page or the limit is not one.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidError(N_("A page cannot hold {limit!r} sessions."), hint=N_("Ask for 1 to 200."), limit=limit)
        where = store.SessionFilter(text=text, user_id=user_id, from_ns=from_ns, to_ns=to_ns)
        with self._database.read(scope) as tx:
            items = store.list_sessions(tx, where, limit=limit + 1, page=page)
        token = store.page_after(items[limit - 1]) if len(items) > limit else None
        return SessionPage(items=items[:limit], next=token)

    def get(self, scope: Scope, session_id: str, *, offset: int = 0, limit: int = MAX_TURNS) -> Conversation:
        """One session as a conversation.

        Args:
            scope: Tenant and project.
            session_id: Which.
            offset: Turns to leave out first.
            limit: Turns at most, 1 to 100.

        Raises:
            NotFoundError: There is no such session in the project.
        """
        limit = max(1, min(limit, MAX_TURNS))
        with self._database.read(scope, is_snapshot=True) as tx:
            summary = store.session(tx, session_id)
            if summary is None:
                raise NotFoundError(
                    N_("There is no session {session_id!r} in this project."),
                    reason="tracing.no_session",
                    session_id=session_id,
                )
            traces = store.traces_of(tx, session_id, offset=offset, limit=limit + 1)
            shown = traces[:limit]
            scores = scores_by_trace(tx, [trace.trace_id for trace in shown], limit=MAX_SCORES)
            with self._cold.whole(tx, [trace.trace_id for trace in shown]) as whole:
                said = [store.telling_span(whole, trace) for trace in shown]
        turns = [
            _turn(trace, detail, scores.get(trace.trace_id, ())) for trace, detail in zip(shown, said, strict=True)
        ]
        return Conversation(summary=summary, turns=turns, next=offset + limit if len(traces) > limit else None)


def _turn(trace: TraceSummary, detail: SpanDetail | None, scores: Sequence[Score]) -> Turn:
    """What the root says; where it says nothing (a web server's span), what the list of traces shows."""
    asked = question(detail) if detail is not None else ""
    answered = answer(detail) if detail is not None else ""
    return Turn(
        trace=trace,
        question=(asked or trace.input_preview or "")[:MAX_TEXT],
        answer=(answered or trace.output_preview or "")[:MAX_TEXT],
        scores=scores,
    )
