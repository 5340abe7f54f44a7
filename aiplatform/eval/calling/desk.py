"""The one place that all workers of a project ask before they call: limits by endpoint, caps by run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiplatform.eval.calling.budget import Budget, BudgetReport, Grant
from aiplatform.eval.calling.limiting import SILENT_AFTER_S, DoorReport, EndpointLimiter, Share

POLL_S: Final = 0.1
"""How long a report waits for something that concerns its worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one worker says of all its endpoints and of its run's caps."""

    worker_id: str
    run_id: str
    doors: Mapping[str, DoorReport] = field(default_factory=dict)
    """By endpoint."""

    budget: BudgetReport | None = None
    """None where the run has no caps."""

    waits: bool = True
    """Whether the answer may take a moment, until something changes for this worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the worker may do."""

    doors: Mapping[str, Share] = field(default_factory=dict)
    budget: Grant | None = None


class DeskPort(Protocol):
    """A desk, wherever it is."""

    async def sync(self, report: Report) -> Reply:
        """Take in a report and answer it."""
        ...

    async def leave(self, worker_id: str, run_id: str) -> None:
        """Forget a worker, and answer once that is done."""
        ...


class Desk:
    """Limits and caps of one project, in the process that this is. For one event loop.

    It keeps nothing that workers could not tell it again: one that is lost is replaced by an empty one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limiters: dict[str, EndpointLimiter] = {}
        self._budgets: dict[str, Budget] = {}
        self._changed = asyncio.Event()

    async def sync(self, report: Report) -> Reply:
        """Take in a report, and answer once there is news for its worker or a moment has passed."""
        now_s = self._clock()
        pauses = {name: limiter.paused_until_s for name, limiter in self._limiters.items()}
        for name, door in report.doors.items():
            limiter = self._limiters.setdefault(name, EndpointLimiter())
            limiter.report(report.worker_id, report.run_id, door, now_s)
        if report.budget is not None:
            budget = self._budgets.setdefault(report.run_id, Budget(caps=report.budget.caps))
            budget.forget_silent(now_s - SILENT_AFTER_S)
            budget.report(report.worker_id, report.budget, now_s)
        if any(limiter.paused_until_s > pauses.get(name, 0.0) for name, limiter in self._limiters.items()):
            self._wake()
        reply = self._answer(report)
        if report.waits and not _is_news(report, reply):
            event = self._changed
            try:
                async with asyncio.timeout(POLL_S):
                    await event.wait()
            except TimeoutError:
                pass
            reply = self._answer(report)
        return reply

    async def leave(self, worker_id: str, run_id: str) -> None:
        """Forget a worker."""
        for name, limiter in [*self._limiters.items()]:
            limiter.leave(worker_id)
            if limiter.is_idle:
                del self._limiters[name]
        if run_id in self._budgets:
            self._budgets[run_id].leave(worker_id)
        self._wake()

    def _answer(self, report: Report) -> Reply:
        now_s = self._clock()
        doors = {
            name: self._limiters[name].share(report.worker_id, door, now_s)
            for name, door in report.doors.items()
            if name in self._limiters and self._limiters[name].knows(report.worker_id)
        }
        grant = None
        if report.budget is not None and report.run_id in self._budgets:
            grant = self._budgets[report.run_id].grant(report.worker_id, report.budget)
        return Reply(doors=doors, budget=grant)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _is_news(report: Report, reply: Reply) -> bool:
    grant = reply.budget
    if grant is not None and (grant.is_capped or grant.needs_already_spent or not grant.more.is_zero):
        return True
    return any(
        share.version != report.doors[name].version or share.requests or share.tokens or share.pause_s
        for name, share in reply.doors.items()
    )
