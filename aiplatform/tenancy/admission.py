"""Lets requests in under their tenant's limits, for event loops: only what is not leased yet costs a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from aiplatform.core.clock import Clock
from aiplatform.tenancy.leases import Leases
from aiplatform.tenancy.limits import NO_LIMITS, Resource
from aiplatform.tenancy.model import Caller

LEASING_THREADS: Final = 4


class Admission:
    """Admits what callers ask for, or says which limit was hit.

    Args:
        leases: What this process has of the limits.
        clock: What time it is.
    """

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=LEASING_THREADS, thread_name_prefix="quota-leases")

    @asynccontextmanager
    async def request(self, caller: Caller | None) -> AsyncIterator[None]:
        """One request of a caller, for as long as it runs.

        Raises:
            RateLimitedError: The tenant has as many requests a minute, or at a time, as it may.
            TransientError: The database that knows cannot be reached.
        """
        if caller is None or caller.limits is NO_LIMITS:
            yield
            return
        is_held = await self._take(caller, Resource.CONCURRENT_REQUESTS, 1)
        try:
            await self._take(caller, Resource.REQUESTS, 1)
            yield
        finally:
            if is_held:
                self._leases.give_back(caller.tenant_id, Resource.CONCURRENT_REQUESTS, 1)

    @asynccontextmanager
    async def spans(self, caller: Caller, num_spans: int, num_bytes: int) -> AsyncIterator[None]:
        """Spans that are stored within the block; what is not stored, because the block fails, does not count.

        Raises:
            RateLimitedError: The tenant has sent as much today as it may.
            TransientError: The database that knows cannot be reached.
        """
        if caller.limits is NO_LIMITS:
            yield
            return
        taken_ns = self._clock.now_ns()
        taken: list[tuple[Resource, int]] = []
        try:
            for resource, amount in ((Resource.SPANS, num_spans), (Resource.SPAN_BYTES, num_bytes)):
                if await self._take(caller, resource, amount):
                    taken.append((resource, amount))
            yield
        except BaseException:
            for resource, amount in taken:
                self._leases.give_back(caller.tenant_id, resource, amount, taken_ns=taken_ns)
            raise

    def close(self) -> None:
        """End the threads, and give the leases back."""
        self._pool.shutdown(wait=True)
        self._leases.close()

    async def _take(self, caller: Caller, resource: Resource, amount: int) -> bool:
        """Whether something was taken: not where nothing is limited."""
        if not amount or caller.limits.of(resource) is None:
            return False
        tenant_id = caller.tenant_id
        if self._leases.take_now(tenant_id, resource, amount):
            return True
        asked = self._pool.submit(self._leases.take, tenant_id, resource, amount)
        try:
            await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            # Whoever asked is gone; what the thread takes for them all the same goes back when it is done.
            asked.add_done_callback(_unless_failed(lambda: self._put_back(tenant_id, resource, amount)))
            raise
        return True

    def _put_back(self, tenant_id: str, resource: Resource, amount: int) -> None:
        taken_ns = None if resource is Resource.CONCURRENT_REQUESTS else self._clock.now_ns()
        self._leases.give_back(tenant_id, resource, amount, taken_ns=taken_ns)


def _unless_failed(then: Callable[[], None]) -> Callable[[Future[None]], None]:
    def done(future: Future[None]) -> None:
        if not future.cancelled() and future.exception() is None:
            then()

    return done
