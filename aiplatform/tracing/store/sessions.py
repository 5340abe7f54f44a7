"""Sessions in SQL: summed over the summaries of their traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.model import Score, SpanDetail, TraceSummary
from aiplatform.tracing.pages import page_token, read_page
from aiplatform.tracing.store.reading import span
from aiplatform.tracing.store.rows import summary_of
from aiplatform.tracing.store.scores import scores


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """One line of the list of sessions."""

    session_id: str
    num_traces: int
    num_users: int
    user_id: str | None
    """The user, where there is one; of several, the first by name."""

    num_errors: int
    """Spans with errors, over all its traces."""

    total_tokens: int | None
    cost: float | None
    first_ns: int
    last_ns: int
    """When its last trace began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """What the list is narrowed to."""

    text: str | None = None
    user_id: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None


def list_sessions(tx: Transaction, where: SessionFilter, *, limit: int, page: str | None) -> list[SessionSummary]:
    """At most `limit` sessions, the one seen last first.

    Raises:
        InvalidError: The page is none.
    """
    column = traces.c
    conditions: list[ColumnElement[bool]] = [column.session_id.is_not(None), column.num_spans > 0]
    if where.text:
        conditions.append(column.session_id.icontains(where.text, autoescape=True))
    if where.from_ns is not None:
        conditions.append(column.start_ns >= where.from_ns)
    if where.to_ns is not None:
        conditions.append(column.start_ns < where.to_ns)
    if where.user_id is not None:
        took_part = select(column.session_id).where(column.user_id == where.user_id, column.session_id.is_not(None))
        conditions.append(column.session_id.in_(took_part))
    last = func.max(column.start_ns)
    statement = select(*_columns()).where(*conditions).group_by(column.session_id)
    if page is not None:
        before_ns, session_id = read_page(page, int, str)
        statement = statement.having(or_(last < before_ns, and_(last == before_ns, column.session_id > session_id)))
    found = tx.execute(statement.order_by(last.desc(), column.session_id).limit(limit))
    return [_session(row) for row in found]


def session(tx: Transaction, session_id: str) -> SessionSummary | None:
    """One session; None where there is none."""
    column = traces.c
    found = tx.execute(
        select(*_columns()).where(column.session_id == session_id, column.num_spans > 0).group_by(column.session_id)
    ).first()
    return None if found is None else _session(found)


def traces_of(tx: Transaction, session_id: str, *, offset: int, limit: int) -> list[TraceSummary]:
    """Traces of a session in the order in which they began."""
    column = traces.c
    found = tx.execute(
        select(traces)
        .where(column.session_id == session_id, column.num_spans > 0)
        .order_by(column.start_ns, column.trace_id)
        .limit(limit)
        .offset(offset)
    )
    return [summary_of(row) for row in found]


def scores_of(tx: Transaction, trace_ids: Sequence[str]) -> dict[str, list[Score]]:
    """Scores by trace."""
    found: dict[str, list[Score]] = {}
    for score in scores(tx, trace_ids=trace_ids, name=None, limit=1000) if trace_ids else ():
        found.setdefault(score.trace_id, []).append(score)
    return found


def telling_span(tx: Transaction, trace: TraceSummary) -> SpanDetail | None:
    """The root of a trace with everything that it says; None where there is none yet."""
    return span(tx, trace.trace_id, trace.root_span_id) if trace.root_span_id else None


def page_after(last: SessionSummary) -> str:
    """Token of the page that follows a session."""
    return page_token(last.last_ns, last.session_id)


def _columns() -> list[Any]:
    column = traces.c
    return [
        column.session_id,
        func.count().label("num_traces"),
        func.count(column.user_id.distinct()).label("num_users"),
        func.min(column.user_id).label("user_id"),
        func.sum(column.num_errors).label("num_errors"),
        func.sum(column.input_tokens).label("input_tokens"),
        func.sum(column.output_tokens).label("output_tokens"),
        func.sum(column.cost).label("cost"),
        func.min(column.start_ns).label("first_ns"),
        func.max(column.start_ns).label("last_ns"),
    ]


def _session(row: Any) -> SessionSummary:
    tokens = [int(count) for count in (row.input_tokens, row.output_tokens) if count is not None]
    return SessionSummary(
        session_id=row.session_id,
        num_traces=row.num_traces,
        num_users=row.num_users,
        user_id=row.user_id,
        num_errors=int(row.num_errors),
        total_tokens=sum(tokens) if tokens else None,
        cost=row.cost,
        first_ns=row.first_ns,
        last_ns=row.last_ns,
    )
