"""Review queues: made, filled, shared among people, closed."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.eval.model import EvaluationRun, RowResult
from aiplatform.eval.ports import RowFiles
from aiplatform.eval.reading import RunReader
from aiplatform.eval.reviewing.filling import Pick, pair_item, picked, row_item, trace_item
from aiplatform.eval.reviewing.model import (
    MAX_LABELS,
    ItemFilter,
    NewQueue,
    ReviewItem,
    ReviewQueue,
)
from aiplatform.eval.reviewing.store import ReviewStore
from aiplatform.eval.rows import to_results
from aiplatform.eval.run_service import RunService
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.scoring import author_of
from aiplatform.tracing.service import Traces

MAX_ITEMS: Final = 10_000
MAX_FILL: Final = 500


class QueueService:
    """Review queues of a project.

    Args:
        store: Queues, items, labels.
        runs: Evaluation runs.
        files: Their rows.
        traces: The tracing room.
        clock: What time it is.
    """

    def __init__(
        self, store: ReviewStore, runs: RunService, files: RowFiles, traces: Traces, *, clock: Clock | None = None
    ) -> None:
        self._store = store
        self._runs = runs
        self._reader = RunReader(files)
        self._traces = traces
        self._clock = clock or SystemClock()

    def create(self, caller: Caller, new: NewQueue) -> ReviewQueue:
        """Make a queue.

        Raises:
            InvalidError: Labels repeat, are none or more than have keys, or nobody would judge.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        names = [label.name.strip() for label in new.labels]
        if not 2 <= len(names) <= MAX_LABELS or len(set(names)) < len(names) or not all(names):
            raise InvalidError(
                N_("A queue has 2 to {limit} labels with names of their own."),
                hint=N_("Each label has a number key."),
                reason="review.labels",
                limit=MAX_LABELS,
            )
        if not 1 <= new.raters_per_item <= 20:
            raise InvalidError(N_("An item is judged by 1 to 20 people."), reason="review.raters")
        made = ReviewQueue(
            queue_id=new_id("queue", self._clock.now_ns()),
            project_id=caller.project_id,
            queue=new,
            created_by=author_of(caller),
            created_ns=self._clock.now_ns(),
        )
        self._store.add_queue(caller.scope, made)
        return made

    def list(self, caller: Caller) -> tuple[ReviewQueue, ...]:
        """Queues of the project, open ones first."""
        caller.require(Permission.EVALUATIONS_READ)
        return tuple(self._store.queues(caller.scope))

    def get(self, caller: Caller, queue_id: str) -> ReviewQueue:
        """One queue.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        return self._required(caller.scope, queue_id)

    def set_open(self, caller: Caller, queue_id: str, *, is_open: bool) -> ReviewQueue:
        """Close a queue, or open it again.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        if not self._store.set_open(caller.scope, queue_id, is_open=is_open):
            raise unknown_queue(queue_id)
        return self._required(caller.scope, queue_id)

    def fill_from_run(
        self,
        caller: Caller,
        queue_id: str,
        run_id: str,
        *,
        pick: Pick = Pick.RANDOM,
        scorer: str = "",
        limit: int = 100,
        against: str = "",
    ) -> int:
        """Put rows of a run into a queue, or with `against` pairs of two runs' answers; returns how many are new.

        Raises:
            NotFoundError: There is no such queue or run.
            InvalidError: A scorer has to be named.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        self._open_queue(caller.scope, queue_id)
        run = self._runs.get(caller, run_id)
        if pick is Pick.LOW and not any(ref.name == scorer for ref in run.scorers):
            raise InvalidError(
                N_("Run {run_id!r} has no scorer {name!r}."), reason="review.scorer", run_id=run_id, name=scorer
            )
        found = picked(self._rows(caller.scope, run), pick, scorer, max(1, min(limit, MAX_FILL)))
        if not against:
            return self._put(caller.scope, [row_item(queue_id, run, each) for each in found])
        other = self._runs.get(caller, against)
        theirs = {row.row_id: row for row in self._rows(caller.scope, other)}
        pairs = [(each.row, theirs[each.row.row_id]) for each in found if each.row.row_id in theirs]
        return self._put(caller.scope, [pair_item(queue_id, (run, other), pair) for pair in pairs])

    def fill_from_traces(
        self, caller: Caller, queue_id: str, query: str = "", *, trace_ids: Sequence[str] = (), limit: int = 100
    ) -> int:
        """Put traces into a queue: these, or the newest that a query finds; returns how many are new.

        Raises:
            NotFoundError: There is no such queue or trace.
            QueryError: The query cannot be understood.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        caller.require(Permission.TRACES_READ)
        self._open_queue(caller.scope, queue_id)
        limit = max(1, min(limit, MAX_FILL))
        chosen = list(trace_ids)[:limit]
        if not chosen:
            page = self._traces.list(caller.scope, read_filter(query, TraceFilter()), limit=limit)
            chosen = [item.trace_id for item in page.items]
        return self._put(
            caller.scope, [trace_item(queue_id, each) for each in self._traces.examples.of(caller.scope, chosen)]
        )

    def add_trace(self, scope: Scope, queue_id: str, trace_id: str, reason: str) -> None:
        """Put a trace into a queue, for the worker; one that is there already stays as it is.

        Raises:
            NotFoundError: There is no such queue or trace.
        """
        self._required(scope, queue_id)
        self._put(scope, [trace_item(queue_id, each, reason) for each in self._traces.examples.of(scope, [trace_id])])

    def assign(self, caller: Caller, queue_id: str, raters: Sequence[str], *, each: int = 1) -> int:
        """Share a queue's items among people, in turn; returns how many were assigned.

        Args:
            caller: Who assigns.
            queue_id: The queue.
            raters: People, as `user:ann@example.com`.
            each: How many people an item gets.

        Raises:
            NotFoundError: The project has no such queue.
            InvalidError: Nobody is named, or fewer than an item gets.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        queue = self._open_queue(caller.scope, queue_id)
        people = list(dict.fromkeys(raters))
        if not 1 <= each <= len(people):
            raise InvalidError(N_("Name at least as many people as an item gets."), reason="review.assign")
        items = self._store.page(caller.scope, queue, ItemFilter.ALL, rater="", limit=MAX_ITEMS, after=0)
        pairs = [
            (item.item_id, people[(place * each + turn) % len(people)])
            for place, item in enumerate(items)
            for turn in range(each)
        ]
        return self._store.assign(caller.scope, queue_id, pairs)

    def _put(self, scope: Scope, items: Sequence[ReviewItem]) -> int:
        return self._store.add_items(scope, items, self._clock.now_ns())

    def _rows(self, scope: Scope, run: EvaluationRun) -> builtins.list[RowResult]:
        table = self._reader.table(scope, run)
        return [] if table is None else to_results(table)

    def _item(self, scope: Scope, queue_id: str, item_id: str) -> ReviewItem:
        found = self._store.item(scope, queue_id, item_id)
        if found is None:
            raise unknown_item(item_id)
        return found

    def _required(self, scope: Scope, queue_id: str) -> ReviewQueue:
        found = self._store.queue(scope, queue_id)
        if found is None:
            raise unknown_queue(queue_id)
        return found

    def _open_queue(self, scope: Scope, queue_id: str) -> ReviewQueue:
        found = self._required(scope, queue_id)
        if not found.is_open:
            raise ConflictError(N_("The queue {name!r} is closed."), reason="review.closed", name=found.queue.name)
        return found


def unknown_queue(queue_id: str) -> NotFoundError:
    """That the project has no such queue."""
    return NotFoundError(
        N_("There is no review queue {queue_id!r}."),
        hint=N_("`aiplatform reviews list` shows those of the project."),
        reason="review.unknown",
        queue_id=queue_id,
    )


def unknown_item(item_id: str) -> NotFoundError:
    """That the queue has no such item."""
    return NotFoundError(N_("The queue has no item {item_id!r}."), reason="review.no_item", item_id=item_id)
