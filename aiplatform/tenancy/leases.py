"""Limits that are never exceeded by one, without asking the database on every request.

Each entry process leases blocks of a tenant's limits and hands them out by itself. A block grows while it is used up
within a second and shrinks otherwise, and never takes more than a sixteenth of what is left, so near a limit the blocks
become single units. What a process leased of a window and did not use is lost with the process until the window ends;
requests at a time are held for some seconds, and free when their process renews them no longer.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiplatform.core.clock import Clock
from aiplatform.core.errors import AIPlatformError, RateLimitedError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tenancy import lease_store
from aiplatform.tenancy.lease_store import Grant
from aiplatform.tenancy.limits import EXCEEDED, SECOND_NS, Resource, window_end, window_start

logger = logging.getLogger(__name__)

SHARE: Final = 16
HOLD_S: Final = 15.0
RENEW_S: Final = 5.0
REFUSED_FOR_S: Final = 0.25
"""How long a refusal stands without asking again: a storm of callers over their limit costs no storm of questions."""

MAX_SIZE: Final = 1024
"""Requests that one lease wishes to last for."""

_FAST_S: Final = 1.0
_FREES_SOON_S: Final = 1.0

Key = tuple[str, Resource]


@dataclass(slots=True)
class _Block:
    """What this process has of one window, or of what is given back."""

    window_ns: int = 0
    left: int = 0
    """Of a window: what is not yet handed out."""

    used: int = 0
    """Of what is given back: what runs now."""

    held: int = 0
    expires_ns: int = 0
    size: int = 1
    """How much the next lease wishes for."""

    peak: int = 0
    """Of what is given back: the most that ran at a time since the last renewal."""

    asked_at: float = -math.inf
    refusal: RateLimitedError | None = None
    refused_at: float = -math.inf
    refused_amount: int = 0


class Leases:
    """Hands out what tenants may use. Thread safe; one a process.

    Args:
        database: Where all processes meet.
        clock: What time it is.
        monotonic: Seconds that only grow.
        hold_s: How long what is given back is held without being renewed.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        hold_s: float = HOLD_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._hold_s = hold_s
        self._holder = new_id("entry")
        self._blocks: dict[Key, _Block] = {}
        self._asking: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._renewing: threading.Thread | None = None

    def take_now(self, tenant_id: str, resource: Resource, amount: int) -> bool:
        """Hand out what is leased already; it never blocks. False: `take` has to ask."""
        now_ns = self._clock.now_ns()
        with self._lock:
            return self._handed(self._block(tenant_id, resource), resource, amount, now_ns)

    def take(self, tenant_id: str, resource: Resource, amount: int) -> None:
        """Hand out an amount, and lease more where it is needed.

        Raises:
            RateLimitedError: The tenant's limit does not leave so much.
            TransientError: The database cannot be reached.
        """
        if amount <= 0:
            return
        key = (tenant_id, resource)
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            now_ns = self._clock.now_ns()
            with self._lock:
                block = self._block(*key)
                if self._handed(block, resource, amount, now_ns):
                    return
                self._check_refused(block, resource, amount, now_ns)
            if window_start(resource, now_ns):
                self._lease(tenant_id, resource, block, amount, now_ns)
            else:
                self._hold(tenant_id, resource, block, amount, now_ns)

    def give_back(self, tenant_id: str, resource: Resource, amount: int, *, taken_ns: int | None = None) -> None:
        """Take back what was handed out: a request that ended, or spans that were not stored after all.

        Args:
            tenant_id: Whose.
            resource: Of what.
            amount: How much.
            taken_ns: When it was taken, for what has windows: into another window nothing goes back.
        """
        with self._lock:
            block = self._block(tenant_id, resource)
            if taken_ns is None:
                block.used -= amount
            elif block.window_ns == window_start(resource, taken_ns):
                block.left += amount

    def renew(self) -> None:
        """Hold on to what runs, and let go of what does not; called by a thread of this object every few seconds."""
        with self._lock:
            held = [(key, block) for key, block in self._blocks.items() if block.held]
        for (tenant_id, resource), block in held:
            with self._lock:
                asking = self._asking.setdefault((tenant_id, resource), threading.Lock())
            with asking:
                try:
                    with self._lock:
                        wanted, block.peak = max(block.used, block.peak), block.used
                    self._write_hold(tenant_id, resource, block, wanted, self._clock.now_ns())
                except AIPlatformError:
                    # It expires then, and is asked for again; the requests that run meanwhile go on.
                    logger.warning("a hold could not be renewed", exc_info=True, extra={"tenant_id": tenant_id})

    def close(self) -> None:
        """Give everything back that is not in use."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()
        with self._lock:
            blocks, self._blocks = self._blocks, {}
        for (tenant_id, resource), block in blocks.items():
            try:
                self._return(tenant_id, resource, block)
            except AIPlatformError:
                logger.warning("leases could not be given back", exc_info=True, extra={"tenant_id": tenant_id})

    def _block(self, tenant_id: str, resource: Resource) -> _Block:
        return self._blocks.setdefault((tenant_id, resource), _Block())

    def _handed(self, block: _Block, resource: Resource, amount: int, now_ns: int) -> bool:
        """Whether the block had it; the caller holds the lock."""
        window_ns = window_start(resource, now_ns)
        if not window_ns:
            if block.used + amount > block.held or now_ns >= block.expires_ns:
                return False
            block.used += amount
            block.peak = max(block.peak, block.used)
            return True
        if block.window_ns != window_ns or block.left < amount:
            return False
        block.left -= amount
        return True

    def _lease(self, tenant_id: str, resource: Resource, block: _Block, amount: int, now_ns: int) -> None:
        window_ns = window_start(resource, now_ns)
        asked_at = self._monotonic()
        is_fast = asked_at - block.asked_at < _FAST_S
        block.size, block.asked_at = min(block.size * 2, MAX_SIZE) if is_fast else max(1, block.size // 2), asked_at
        with self._lock:
            rest = block.left if block.window_ns == window_ns else 0
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            need = max(1, amount - rest)
            grant = lease_store.grant_in_window(
                tx, resource, window_ns, need=need, wish=block.size * amount, share=SHARE
            )
        with self._lock:
            if block.window_ns != window_ns:
                block.window_ns, block.left = window_ns, 0
            if not grant.amount:
                self._refuse(block, resource, amount, grant, now_ns)
            # Others may have taken of the rest meanwhile: then this one is short, and asks once more.
            block.left += grant.amount
            if block.left >= amount:
                block.left -= amount
                return
        self._lease(tenant_id, resource, block, amount, now_ns)

    def _hold(self, tenant_id: str, resource: Resource, block: _Block, amount: int, now_ns: int) -> None:
        with self._lock:
            wanted = block.used + amount
        self._start_renewing()
        grant = self._write_hold(tenant_id, resource, block, wanted, now_ns, taking=amount)
        if not grant.amount:
            with self._lock:
                self._refuse(block, resource, amount, grant, now_ns)

    def _write_hold(
        self, tenant_id: str, resource: Resource, block: _Block, amount: int, now_ns: int, *, taking: int = 0
    ) -> Grant:
        expires_ns = now_ns + round(self._hold_s * SECOND_NS)
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            grant = lease_store.hold(tx, resource, self._holder, amount, now_ns=now_ns, expires_ns=expires_ns)
        if grant.amount == amount:
            with self._lock:
                block.held, block.expires_ns = amount, expires_ns
                block.used += taking
                block.peak = max(block.peak, block.used)
        return grant

    def _refuse(self, block: _Block, resource: Resource, amount: int, grant: Grant, now_ns: int) -> None:
        block.refusal = exceeded(resource, grant.limit or 0, now_ns)
        block.refused_at, block.refused_amount = self._monotonic(), amount
        raise block.refusal

    def _check_refused(self, block: _Block, resource: Resource, amount: int, now_ns: int) -> None:
        """A refusal of a moment ago stands for whoever wants as much."""
        is_fresh = self._monotonic() - block.refused_at < REFUSED_FOR_S and amount >= block.refused_amount
        if is_fresh and block.refusal is not None and block.window_ns == window_start(resource, now_ns):
            raise block.refusal.with_traceback(None)

    def _start_renewing(self) -> None:
        with self._lock:
            if self._renewing is not None:
                return
            self._renewing = threading.Thread(target=self._renew_again, name="quota-holds", daemon=True)
            self._renewing.start()

    def _renew_again(self) -> None:
        while not self._closed.wait(min(RENEW_S, self._hold_s / 3)):
            self.renew()

    def _return(self, tenant_id: str, resource: Resource, block: _Block) -> None:
        if not (block.left or block.held):
            return
        now_ns = self._clock.now_ns()
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            if block.held:
                lease_store.hold(tx, resource, self._holder, 0, now_ns=now_ns, expires_ns=now_ns)
            elif block.window_ns == window_start(resource, now_ns):
                lease_store.give_back(tx, resource, block.window_ns, block.left)


def exceeded(resource: Resource, limit: int, now_ns: int) -> RateLimitedError:
    """What a caller is told: which limit was hit, and when it frees."""
    has_window = bool(window_start(resource, now_ns))
    frees_s = (window_end(resource, now_ns) - now_ns) / SECOND_NS if has_window else _FREES_SOON_S
    return RateLimitedError(
        EXCEEDED[resource],
        hint=N_("It frees in {seconds} s. A platform admin can raise it in the tenant's specification."),
        reason=f"quota.{resource}",
        retry_after_s=frees_s,
        limit=limit,
        seconds=max(1, math.ceil(frees_s)),
    )
