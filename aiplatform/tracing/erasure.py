"""Erasure: everything of a user, of a session, or of a trace, at somebody's demand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.storage.tables.tracing import traces
from aiplatform.tenancy.audit import record
from aiplatform.tracing.checks import checked_trace_id
from aiplatform.tracing.redaction import Replacement
from aiplatform.tracing.store.removal import (
    Removed,
    count_where,
    mark_erased,
    remove_scores,
    remove_traces,
    traces_where,
)

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.service import Traces

INDEX_ROUNDS: Final = 200
CLOCKS_DIFFER_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose traces go: what is named must all hold."""

    user_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None


class Erasure:
    """Erases. Thread safe; repeating an erasure that was cut off completes it.

    Args:
        service: The room's service.
        database: Where spans rest.
    """

    def __init__(self, service: Traces, database: Database) -> None:
        self._service = service
        self._database = database

    def count(self, caller: Caller, subject: Subject) -> Removed:
        """How many traces and spans would go.

        Raises:
            InvalidError: Nothing is named, or the trace's id is none.
        """
        conditions = self._conditions(caller, subject)
        with self._database.read(caller.scope) as tx:
            num_traces, num_spans, _, _ = count_where(tx, conditions)
        return Removed(num_traces=num_traces, num_spans=num_spans)

    def erase(self, caller: Caller, subject: Subject) -> Removed:
        """Erase spans, summaries, scores and texts; returns exactly how many went. Audited piece by piece.

        Spans of an erased trace that arrive later are acknowledged and dropped. Traces of the same user that begin
        later are stored as ever.

        Raises:
            InvalidError: Nothing is named, or the trace's id is none.
            TransientError: The database or the artifact store cannot be reached; what went is gone, and repeating it
                completes the rest.
        """
        conditions = self._conditions(caller, subject)
        # Traces that change after this moment, give or take what clocks differ by, belong to the next erasure: while
        # they keep coming, this one would never end.
        begun = [*conditions, traces.c.updated_ns <= self._service.clock.now_ns() + CLOCKS_DIFFER_NS]
        total = Removed()
        while True:
            with self._database.read(caller.scope) as tx:
                trace_ids = traces_where(tx, begun)
            if not trace_ids:
                break
            total += self._erase_piece(caller, subject, trace_ids, conditions)
        if subject.trace_id is not None and total.num_traces == 0:
            total += self._erase_unseen(caller, subject)
        if total.num_spans:
            self._update_index(caller)
        # Files too, whoever left something in them: also an erasure that was cut off here.
        self._service.cold.compact(caller.scope)
        return total

    def _erase_piece(
        self, caller: Caller, subject: Subject, trace_ids: list[str], conditions: list[ColumnElement[bool]]
    ) -> Removed:
        now_ns = self._service.clock.now_ns()
        with self._database.transaction(caller.scope) as tx:
            removed = remove_traces(tx, trace_ids, conditions, now_ns=now_ns, leaves_marks=True)
            record(tx, caller.principal, "traces.erase", _named(subject), now_ns=now_ns, **_detail(subject, removed))
        return removed

    def _erase_unseen(self, caller: Caller, subject: Subject) -> Removed:
        """A trace that has not arrived: its scores go, and it is never stored."""
        if subject.user_id is not None or subject.session_id is not None or subject.trace_id is None:
            return Removed()
        trace_id, now_ns = checked_trace_id(subject.trace_id), self._service.clock.now_ns()
        with self._database.transaction(caller.scope) as tx:
            if traces_where(tx, [traces.c.trace_id == trace_id]):  # it arrived this moment
                removed = remove_traces(tx, [trace_id], now_ns=now_ns, leaves_marks=True)
            else:
                removed = Removed(num_scores=remove_scores(tx, trace_id))
                mark_erased(tx, [trace_id], now_ns=now_ns)
            record(tx, caller.principal, "traces.erase", _named(subject), now_ns=now_ns, **_detail(subject, removed))
        return removed

    def _conditions(self, caller: Caller, subject: Subject) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        for column, value in ((traces.c.user_id, subject.user_id), (traces.c.session_id, subject.session_id)):
            if value:
                found.append(column.in_(self._forms(caller, value)))
        if subject.trace_id:
            found.append(traces.c.trace_id == checked_trace_id(subject.trace_id))
        if not found:
            raise InvalidError(
                N_("Nothing is named that could be erased."),
                hint=N_("Name a user, a session or a trace."),
                reason="erasure.nothing",
            )
        return found

    def _forms(self, caller: Caller, value: str) -> set[str]:
        """A name as it may lie in the store: as it is, or hashed. A label stands for many people and is no form."""
        redactor = self._service.redaction.of(caller.scope)
        if redactor is None or redactor.policy.replacement is not Replacement.HASH:
            return {value}
        return {value, redactor.text(value)}

    def _update_index(self, caller: Caller) -> None:
        for _ in range(INDEX_ROUNDS):
            if self._service.update_index() == 0 or self._service.freshness(caller.scope).is_current:
                return  # what another process is at, it completes


def _named(subject: Subject) -> str:
    given = {"user": subject.user_id, "session": subject.session_id, "trace": subject.trace_id}
    return ", ".join(name for name, value in given.items() if value)


def _detail(subject: Subject, removed: Removed) -> dict[str, str | int]:
    """What the audit log keeps: counts, and hashes of the names; the names themselves are what is erased."""
    given = {"user": subject.user_id, "session": subject.session_id, "trace": subject.trace_id}
    hashes: dict[str, str | int] = {
        f"{name}_sha256": hashlib.sha256(value.encode()).hexdigest() for name, value in given.items() if value
    }
    counts = {"num_traces": removed.num_traces, "num_spans": removed.num_spans, "num_scores": removed.num_scores}
    return {**hashes, **counts}
