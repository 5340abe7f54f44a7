"""The worker: what the platform does by itself, again and again, in one process at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.errors import AIPlatformError
from aiplatform.gateway.leases import Lease

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "worker"
LEASE_LIFETIME_S: Final = 15.0
LEASE_RENEWAL_S: Final = 5.0
LONGEST_BACKOFF_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do again and again."""

    name: str
    period_s: float
    run: Callable[[], Any]


class Repeated:
    """A task with the memory of how often it failed since it last succeeded."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.num_failures = 0

    def run(self) -> float:
        """Do it once, and return the seconds until the next time: longer and longer while it fails."""
        try:
            self.task.run()
        except Exception as error:
            # The next time may succeed, whatever went wrong. Told of at the 1st, 2nd, 4th, 8th … failure in a row.
            self.num_failures += 1
            if self.num_failures & (self.num_failures - 1) == 0:
                is_expected = isinstance(error, AIPlatformError)
                logger.warning("%s failed: %s", self.task.name, error, exc_info=not is_expected)
            doubled: float = self.task.period_s * 2 ** min(self.num_failures, 10)
            return min(doubled, max(self.task.period_s, LONGEST_BACKOFF_S))
        self.num_failures = 0
        return self.task.period_s


class Worker:
    """Runs each task on a thread of its own while this process holds the lease.

    Args:
        tasks: What to do.
        lease: Makes sure that only one worker works.
    """

    def __init__(self, tasks: Iterable[Task], lease: Lease) -> None:
        self._lease = lease
        self._holding = threading.Event()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._keep_lease, name="worker-lease", daemon=True)]
        for task in tasks:
            repeated = Repeated(task)
            self._threads.append(
                threading.Thread(target=self._repeat, args=[repeated], name=f"worker-{task.name}", daemon=True)
            )

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End after the tasks that run, and let go of the lease."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)
        if self._holding.is_set():
            try:
                self._lease.release()
            except AIPlatformError:
                logger.warning("the worker's lease was not released; it ends by itself")

    @property
    def is_alive(self) -> bool:
        """Whether every thread lives."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def is_working(self) -> bool:
        """Whether this is the worker that works."""
        return self._holding.is_set()

    def renew(self) -> None:
        """Take or renew the lease once."""
        try:
            holds = self._lease.hold()
        except AIPlatformError as error:
            # It may run out before the database is back: whoever holds it then works.
            logger.warning("the worker's lease cannot be renewed: %s", error)
            holds = False
        if holds:
            self._holding.set()
        else:
            self._holding.clear()

    def _keep_lease(self) -> None:
        while not self._stopping.is_set():
            self.renew()
            self._stopping.wait(LEASE_RENEWAL_S)

    def _repeat(self, repeated: Repeated) -> None:
        while not self._stopping.is_set():
            if self._holding.wait(1.0):
                self._stopping.wait(repeated.run())
