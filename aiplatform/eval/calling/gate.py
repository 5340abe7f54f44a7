"""A worker's side of the desk: calls wait here until limits and caps let them through. For one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiplatform.core.errors import ConflictError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.amounts import NOTHING, Amounts, Caps
from aiplatform.eval.calling.budget import BudgetReport, Grant
from aiplatform.eval.calling.desk import DeskPort, Reply, Report
from aiplatform.eval.calling.limiting import DoorReport, Limits, Share, Throttle

_ALONE_S: Final = 0.02
"""How long a worker lets reports gather that nobody waits for."""

_AHEAD: Final = 2
"""For so many times its lease a worker asks in advance, where rates or caps hold."""


class CappedError(ConflictError):
    """A cap of the run is reached. What was answered is kept, and a higher cap lets the run go on."""

    code = "capped"


def capped() -> CappedError:
    """The error of a run that may take no more."""
    return CappedError(
        N_("A cap of the evaluation run is reached: no further call fits in."),
        hint=N_("Every answer is kept. Resume the run with a higher cap, and none is paid for again."),
        reason="evaluation.capped",
    )


@dataclass(slots=True)
class _Door:
    """One endpoint."""

    lease: int = 0
    version: int = 0
    in_flight: int = 0
    paused_until_s: float = 0.0
    requests_left: float = 0
    tokens_left: float = 0
    waiting: deque[_Waiter] = field(default_factory=deque)
    answered: int = 0
    throttles: list[Throttle] = field(default_factory=list)
    requests: int = 0
    tokens: float = 0


@dataclass(slots=True)
class _Waiter:
    need: Amounts
    tokens: float
    admitted: asyncio.Future[None]


@dataclass(slots=True)
class Pass:
    """A call that was let through."""

    endpoint: str
    reserved: Amounts
    tokens: float
    since_s: float


class Gate:
    """Lets calls through as the desk allows.

    Args:
        desk: Where limits and caps are kept.
        worker_id: This worker's own name.
        run_id: The run that it works for.
        limits: Of the run.
        caps: Of the run.
        already_spent: Finds out what the run has spent before, from what is kept for good.
    """

    def __init__(
        self,
        desk: DeskPort,
        *,
        worker_id: str,
        run_id: str,
        limits: Limits | None = None,
        caps: Caps | None = None,
        already_spent: Callable[[], Awaitable[Amounts]] | None = None,
    ) -> None:
        self._desk = desk
        self._worker_id = worker_id
        self._run_id = run_id
        self._limits = limits or Limits()
        self._caps = caps.amounts if caps is not None and caps.is_set else None
        self._already_spent = already_spent
        self._known_spent: Amounts | None = None
        self._doors: dict[str, _Door] = {}
        self._free = self._reserved = self._spent = NOTHING
        self._syncing: asyncio.Task[None] | None = None
        self._urgent: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None

    async def enter(self, endpoint: str, need: Amounts, *, tokens: float = 0) -> Pass:
        """Wait until one call may be made.

        Args:
            endpoint: Whose limits hold.
            need: The most that it can cost; what it does not take is given back with `settle`.
            tokens: How many it will probably take, for a limited rate.

        Raises:
            CappedError: It does not fit into the run's caps any more.
        """
        if self._failure is not None:
            raise self._failure
        door = self._doors.setdefault(endpoint, _Door())
        waiter = _Waiter(need=need, tokens=tokens, admitted=asyncio.get_running_loop().create_future())
        door.waiting.append(waiter)
        self._admit()
        if not waiter.admitted.done():
            self._keep_in_touch()
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                door.waiting.remove(waiter)
            if waiter.admitted.done() and not waiter.admitted.cancelled() and waiter.admitted.exception() is None:
                door.in_flight -= 1
                self._give_back(need)
            raise
        return Pass(endpoint=endpoint, reserved=need, tokens=tokens, since_s=time.monotonic())

    def leave(self, which: Pass, *, throttled: bool = False, retry_after_s: float | None = None) -> None:
        """Say that a call is over; `settle` says what it took."""
        door = self._doors[which.endpoint]
        door.in_flight -= 1
        if throttled:
            door.throttles.append(Throttle(age_s=time.monotonic() - which.since_s, retry_after_s=retry_after_s))
            if retry_after_s is not None:
                door.paused_until_s = max(door.paused_until_s, time.monotonic() + retry_after_s)
            self._say_now()
        else:
            door.answered += 1
        self._admit()
        self._keep_in_touch()

    def settle(self, which: Pass, took: Amounts) -> None:
        """Say what a call took; nothing where it was not paid for."""
        door = self._doors[which.endpoint]
        door.tokens += took.tokens - which.tokens
        door.tokens_left -= took.tokens - which.tokens
        if self._caps is not None:
            self._reserved = self._reserved - which.reserved
            self._spent = self._spent + took
            self._free = self._free + which.reserved - took
            self._admit()
            self._keep_in_touch()

    def stop(self, error: Exception) -> None:
        """Let nobody through any more: whoever waits, now or later, is told why."""
        self._failure = error
        self._fail_waiters(error)

    async def close(self) -> None:
        """Tell the desk the last, and leave."""
        for task in [*self._urgent, *([self._syncing] if self._syncing else [])]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._doors:
            self._free = NOTHING
            await self._desk.sync(self._report(waits=False))
            await self._desk.leave(self._worker_id, self._run_id)

    def _admit(self) -> None:
        now_s = time.monotonic()
        for door in self._doors.values():
            while door.waiting and self._may_pass(door, now_s):
                waiter = door.waiting.popleft()
                if waiter.admitted.done():
                    continue  # whoever waited has given up
                door.in_flight += 1
                door.requests += 1
                door.requests_left -= 1
                door.tokens += waiter.tokens
                door.tokens_left -= waiter.tokens
                if self._caps is not None:
                    self._free, self._reserved = self._free - waiter.need, self._reserved + waiter.need
                waiter.admitted.set_result(None)

    def _may_pass(self, door: _Door, now_s: float) -> bool:
        if door.in_flight >= door.lease or now_s < door.paused_until_s:
            return False
        if self._limits.requests_per_minute is not None and door.requests_left < 1:
            return False
        if self._limits.tokens_per_minute is not None and door.tokens_left <= 0:
            return False
        return self._caps is None or door.waiting[0].need.within(self._free)

    def _give_back(self, need: Amounts) -> None:
        if self._caps is not None:
            self._reserved, self._free = self._reserved - need, self._free + need

    def _keep_in_touch(self) -> None:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.get_running_loop().create_task(self._sync_while_busy())

    def _say_now(self) -> None:
        task = asyncio.get_running_loop().create_task(self._sync(waits=False))
        self._urgent.add(task)
        task.add_done_callback(self._urgent.discard)

    async def _sync_while_busy(self) -> None:
        try:
            while any(door.waiting or door.in_flight for door in self._doors.values()):
                await self._sync(waits=True)
                await asyncio.sleep(_ALONE_S)
            # The desk learns that nobody waits here, so that others get all of it.
            await self._sync(waits=False)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._fail_waiters(error)

    async def _sync(self, *, waits: bool) -> None:
        reply = await self._desk.sync(self._report(waits=waits))
        self._apply(reply)
        if reply.budget is not None and reply.budget.needs_already_spent and self._already_spent is not None:
            self._known_spent = await self._already_spent()

    def _report(self, *, waits: bool) -> Report:
        doors = {name: self._door_report(door) for name, door in self._doors.items()}
        budget = None if self._caps is None else self._budget_report(self._caps)
        return Report(worker_id=self._worker_id, run_id=self._run_id, doors=doors, budget=budget, waits=waits)

    def _door_report(self, door: _Door) -> DoorReport:
        ahead = _AHEAD * max(1, door.lease)
        next_tokens = sum(waiter.tokens for waiter, _ in zip(door.waiting, range(ahead), strict=False))
        report = DoorReport(
            limits=self._limits,
            wanted=len(door.waiting) + door.in_flight,
            in_flight=door.in_flight,
            version=door.version,
            answered=door.answered,
            throttles=tuple(door.throttles),
            requests=door.requests,
            tokens=door.tokens,
            wants_requests=max(0.0, min(len(door.waiting), ahead) - door.requests_left),
            wants_tokens=max(0.0, next_tokens - door.tokens_left) if door.waiting else 0.0,
        )
        door.answered = door.requests = 0
        door.tokens = 0
        door.throttles.clear()
        return report

    def _budget_report(self, caps: Amounts) -> BudgetReport:
        waiting = [waiter for door in self._doors.values() for waiter in door.waiting]
        soon = waiting[: max(1, sum(door.lease for door in self._doors.values()))]
        head = waiting[0].need if waiting else NOTHING
        given_back = wants = NOTHING
        if not waiting or not head.within(self._free):
            # What is too little for one call here may be enough together with what others leave.
            given_back, self._free = self._free, NOTHING
            wants = sum((waiter.need for waiter in soon), NOTHING)
        spent, self._spent = self._spent, NOTHING
        known, self._known_spent = self._known_spent, None
        if self._already_spent is None:
            known = NOTHING
        return BudgetReport(
            caps=caps,
            held=self._free + self._reserved,
            reserved=self._reserved,
            spent=spent,
            given_back=given_back,
            wants=wants,
            next_call=head,
            already_spent=known,
        )

    def _apply(self, reply: Reply) -> None:
        for name, share in reply.doors.items():
            _take_share(self._doors[name], share)
        if reply.budget is not None:
            self._take_grant(reply.budget)
        self._admit()

    def _take_grant(self, grant: Grant) -> None:
        self._free = self._free + grant.more
        if grant.is_capped and self._failure is None:
            self.stop(capped())

    def _fail_waiters(self, error: Exception) -> None:
        for door in self._doors.values():
            while door.waiting:
                waiter = door.waiting.popleft()
                if not waiter.admitted.done():
                    waiter.admitted.set_exception(error)


def _take_share(door: _Door, share: Share) -> None:
    if share.version >= door.version:
        door.lease, door.version = share.lease, share.version
    if share.pause_s:
        door.paused_until_s = max(door.paused_until_s, time.monotonic() + share.pause_s)
    door.requests_left += share.requests
    door.tokens_left += share.tokens
