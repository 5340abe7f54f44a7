"""Group commit: the spans of all requests that wait are written together, and each is acknowledged after the commit.

One thread writes. While it commits, requests gather; what has gathered is the next batch. A lone request thus commits
at once, and a thousand small ones share a commit, without a timer. What waits is bounded in bytes: beyond that,
requests are told to come again in a second, so that a slow database costs no memory.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import IntegrityError

from aiplatform.core.errors import AIPlatformError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.storage.days import DayPartitions
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.tracing.counting import CountKind, Counts, counts_of
from aiplatform.tracing.model import DAY_NS, IngestResult
from aiplatform.tracing.otlp import Export
from aiplatform.tracing.store.counting import add_counts
from aiplatform.tracing.store.prices import PricesAtHand
from aiplatform.tracing.store.writing import write

if TYPE_CHECKING:
    from aiplatform.core.clock import Clock
    from aiplatform.storage.database import Database

MAX_WAITING_BYTES: Final = 128 * 2**20
MAX_BATCH_SPANS: Final = 8_192
RETRY_AFTER_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 15.0
TALLY_PERIOD_S: Final = 1.0
"""Counts of what was refused are stored by themselves at most so often."""


logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    export: Export
    done: Future[IngestResult] = field(default_factory=Future)


class Ingest:
    """The one writer of spans in this process. Thread safe.

    Args:
        database: Where spans go.
        clock: What time it is.
        max_waiting_bytes: Bound of raw spans that wait for their commit.
    """

    def __init__(self, database: Database, clock: Clock, *, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._days = DayPartitions(database, spans_table)
        self._prices = PricesAtHand()
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer = secrets.token_hex(8)
        self._tallies: dict[Scope, Counter[tuple[str, str]]] = {}
        self._tally_at_s = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        """Guards all of the above, and wakes the writer."""

    def submit(self, export: Export) -> Future[IngestResult]:
        """Queue an export; the future is done when its spans are committed.

        Raises:
            TransientError: Too much waits already; nothing of this export was kept.
        """
        waiting = _Waiting(export)
        if not export.num_accepted:
            self.count(export.scope, counts_of(export))
            waiting.done.set_result(_result(export))
            return waiting.done
        with self._changed:
            if self._closed or self._waiting_bytes + export.size_bytes > self._max_waiting_bytes > export.size_bytes:
                raise TransientError(
                    N_("More spans arrive than the database takes in."),
                    hint=N_("Nothing of this request was kept. Send it again in a second."),
                    reason="tracing.overloaded",
                    retry_after_s=RETRY_AFTER_S,
                )
            self._waiting.append(waiting)
            self._waiting_bytes += export.size_bytes
            self._wake()
        return waiting.done

    def count(self, scope: Scope, counts: Counts) -> None:
        """Count what was refused. It rests with the next commit of its project, or by itself within a second."""
        with self._changed:
            if counts and not self._closed:
                self._tallies.setdefault(scope, Counter()).update(counts)
                self._wake()

    def close(self) -> None:
        """Refuse what comes, commit what waits, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_TIMEOUT_S)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="aiplatform-ingest", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        is_closed = False
        while not is_closed:
            with self._changed:
                while not self._waiting and not self._closed and not self._is_tally_due():
                    self._changed.wait(self._tally_pause_s())
                is_closed = self._closed and not self._waiting
                batch = self._take()
            for scope, group in groupby(sorted(batch, key=_place), key=lambda waiting: waiting.export.scope):
                self._commit(scope, list(group))
            if is_closed or self._is_tally_due():
                self._write_tallies()

    def _is_tally_due(self) -> bool:
        return bool(self._tallies) and time.monotonic() >= self._tally_at_s

    def _tally_pause_s(self) -> float | None:
        return max(self._tally_at_s - time.monotonic(), 0.0) if self._tallies else None

    def _write_tallies(self) -> None:
        """Store counts of projects that nothing was committed for; what cannot be stored now waits."""
        self._tally_at_s = time.monotonic() + TALLY_PERIOD_S
        for scope in list(self._tallies):
            pending = self._pending(scope)
            try:
                with self._database.transaction(scope) as tx:
                    add_counts(tx, self._clock.now_ns() // DAY_NS, self._writer, pending)
            except TransientError as error:
                logger.warning("counts of refused spans wait: %s", error, extra={"tenant_id": scope.tenant_id})
                return
            except Exception:
                # Spans must go on being written: the counts are lost, and the log says so.
                logger.exception("counts cannot be stored", extra={"tenant_id": scope.tenant_id})
            self._settle(scope, pending)

    def _pending(self, scope: Scope) -> Counter[tuple[str, str]]:
        with self._changed:
            return Counter(self._tallies.get(scope, ()))

    def _settle(self, scope: Scope, stored: Counts) -> None:
        """Take off what was stored; what was counted meanwhile stays."""
        with self._changed:
            left = Counter(self._tallies.pop(scope, ()))
            left.subtract(stored)
            if left := +left:
                self._tallies[scope] = left

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        num_spans = 0
        while self._waiting and num_spans < MAX_BATCH_SPANS:
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.export.size_bytes
            num_spans += waiting.export.num_accepted
            batch.append(waiting)
        return batch

    def _commit(self, scope: Scope, group: Sequence[_Waiting]) -> None:
        """Write a group in one commit. Where the database refuses the content, each request stands for itself."""
        try:
            self._write(scope, [waiting.export for waiting in group])
        except TransientError as error:
            for waiting in group:
                _fail(waiting, error)
        except Exception as error:
            if len(group) > 1:
                for waiting in group:
                    self._commit(scope, [waiting])
                return
            logger.exception("spans cannot be stored", extra={"tenant_id": scope.tenant_id})
            _fail(group[0], error)
        else:
            for waiting in group:
                _succeed(waiting)

    def _write(self, scope: Scope, exports: Sequence[Export]) -> None:
        days = {span.day for export in exports for span in export.spans}
        self._days.ensure(days)
        try:
            self._write_now(scope, exports)
        except IntegrityError:
            # A day that was empty may have been dropped since it was last seen (PostgreSQL: no partition of relation
            # found for row). It is made again; a second failure is another's fault.
            self._days.forget(days)
            self._days.ensure(days)
            self._write_now(scope, exports)

    def _write_now(self, scope: Scope, exports: Sequence[Export]) -> None:
        now_ns = self._clock.now_ns()
        pending = self._pending(scope)
        counts = sum((counts_of(export) for export in exports), Counter(pending))
        with self._database.transaction(scope) as tx:
            num_new = write(tx, exports, change_id=new_id("change", now_ns), now_ns=now_ns, prices=self._prices)
            counts[CountKind.KNOWN.value, ""] += sum(len(export.spans) for export in exports) - num_new
            add_counts(tx, now_ns // DAY_NS, self._writer, counts)
        if pending:
            self._settle(scope, pending)


def _place(waiting: _Waiting) -> tuple[str, str]:
    scope = waiting.export.scope
    return scope.tenant_id, scope.project_id or ""


def _result(export: Export) -> IngestResult:
    return IngestResult(accepted=export.num_accepted, rejected=export.rejected, problem=export.problem)


def _succeed(waiting: _Waiting) -> None:
    with suppress(InvalidStateError):  # whoever asked went away; the spans are stored all the same
        waiting.done.set_result(_result(waiting.export))


def _fail(waiting: _Waiting, error: Exception) -> None:
    known = error if isinstance(error, AIPlatformError) else _unexpected(error)
    with suppress(InvalidStateError):
        waiting.done.set_exception(known)


def _unexpected(error: Exception) -> AIPlatformError:
    found = AIPlatformError(
        N_("These spans could not be stored: {problem}."),
        hint=N_("Sending them again will not help. The platform's log tells more."),
        reason="tracing.unstorable",
        problem=type(error).__name__,
    )
    found.__cause__ = error
    return found
