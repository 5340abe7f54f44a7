"""Sessions in SQL: summed over the summaries of their traces, costs apart by currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.model import SpanDetail, TraceSummary
from aiplatform.tracing.pages import page_token, read_page
from aiplatform.tracing.store.reading import span
from aiplatform.tracing.store.rows import summary_of
from aiplatform.tracing.store.writing import costs_in
from aiplatform.tracing.tree import add_costs


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
    """What its traces cost; None where nothing is known, or where currencies are mixed."""

    currency: str | None
    """Of the cost."""

    costs: Mapping[str, float]
    """By currency; nothing is converted."""

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
    conditions = _conditions(where)
    last = func.max(column.start_ns)
    statement = select(*_columns()).where(*conditions).group_by(column.session_id)
    if page is not None:
        before_ns, session_id = read_page(page, int, str)
        statement = statement.having(or_(last < before_ns, and_(last == before_ns, column.session_id > session_id)))
    found = tx.execute(statement.order_by(last.desc(), column.session_id).limit(limit)).fetchall()
    costs = _costs(tx, [row.session_id for row in found], conditions)
    return [_session(row, costs.get(row.session_id, {})) for row in found]


def _conditions(where: SessionFilter) -> list[ColumnElement[bool]]:
    """What holds of the traces that are counted."""
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
    return conditions


def session(tx: Transaction, session_id: str) -> SessionSummary | None:
    """One session; None where there is none."""
    conditions = _conditions(SessionFilter())
    statement = select(*_columns()).where(traces.c.session_id == session_id, *conditions).group_by(traces.c.session_id)
    found = tx.execute(statement).first()
    return None if found is None else _session(found, _costs(tx, [session_id], conditions).get(session_id, {}))


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
        func.min(column.start_ns).label("first_ns"),
        func.max(column.start_ns).label("last_ns"),
    ]


def _costs(
    tx: Transaction, session_ids: Sequence[str], conditions: Sequence[ColumnElement[bool]]
) -> dict[str, dict[str, float]]:
    """What the traces of some sessions cost, by session and currency."""
    column = traces.c
    # Traces of one currency are summed in the database; one whose currencies are mixed is a row of its own, or one for
    # all that cost exactly the same.
    statement = (
        select(
            column.session_id,
            column.currency,
            column.costs,
            func.count().label("num_traces"),
            func.sum(column.cost).label("cost"),
        )
        .where(column.session_id.in_(session_ids), *conditions)
        .group_by(column.session_id, column.currency, column.costs)
    )
    found: dict[str, list[Mapping[str, float]]] = {}
    for row in tx.execute(statement) if session_ids else ():
        times = row.num_traces if row.costs else 1
        found.setdefault(row.session_id, []).append(
            {currency: amount * times for currency, amount in costs_in(row).items()}
        )
    return {session_id: add_costs(*parts) for session_id, parts in found.items()}


def _session(row: Any, costs: Mapping[str, float]) -> SessionSummary:
    currency = next(iter(costs)) if len(costs) == 1 else None
    tokens = [int(count) for count in (row.input_tokens, row.output_tokens) if count is not None]
    return SessionSummary(
        session_id=row.session_id,
        num_traces=row.num_traces,
        num_users=row.num_users,
        user_id=row.user_id,
        num_errors=int(row.num_errors),
        total_tokens=sum(tokens) if tokens else None,
        cost=None if currency is None else costs[currency],
        currency=currency,
        costs=costs,
        first_ns=row.first_ns,
        last_ns=row.last_ns,
    )
