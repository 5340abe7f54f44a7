"""A caller with everything it needs, for one event loop."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiplatform.client.credentials import Credentials
from aiplatform.eval.calling.amounts import Caps
from aiplatform.eval.calling.caller import PaidCaller
from aiplatform.eval.calling.desk import Desk, DeskPort
from aiplatform.eval.calling.gate import Gate
from aiplatform.eval.calling.keeping import CacheMode, CallCache, MemoryCalls, NoCalls, PlatformCalls
from aiplatform.eval.calling.limiting import Limits
from aiplatform.eval.calling.pricing import CallPrices
from aiplatform.eval.calling.transport import ChatTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """How the calls of one run are carried, wherever its workers are."""

    limits: Limits = field(default_factory=Limits)
    caps: Caps = field(default_factory=Caps)
    mode: CacheMode = CacheMode.READ_WRITE
    prices: CallPrices = field(default_factory=CallPrices)
    project: str = ""
    """Tenant and project, `acme/default`: whose runs share limits. Empty: nobody's, limits hold in each process."""


@asynccontextmanager
async def open_caller(
    plan: CallPlan,
    *,
    run_id: str = "",
    credentials: Credentials | None = None,
    desk: DeskPort | None = None,
    cache: CallCache | None = None,
) -> AsyncIterator[PaidCaller]:
    """A caller for the block.

    Args:
        plan: How calls are carried.
        run_id: For whom.
        credentials: Of the platform, which then keeps the answers; without them they are kept while the caller lives.
        desk: Where limits and caps are kept; by default in this process.
        cache: Where answers are kept, where it is not the platform.
    """
    kept: CallCache
    platform: PlatformCalls | None = None
    if plan.mode is CacheMode.OFF:
        kept = NoCalls()
    elif cache is None and credentials is not None:
        kept = platform = PlatformCalls(credentials, run_id=run_id, mode=plan.mode)
    else:
        kept = cache or MemoryCalls()
    gate = Gate(
        desk or Desk(),
        worker_id=uuid.uuid4().hex,
        run_id=run_id,
        limits=plan.limits,
        caps=plan.caps,
        already_spent=platform.spent if platform is not None else None,
    )
    caller = PaidCaller(gate=gate, cache=kept, transport=ChatTransport(credentials), prices=plan.prices, run_id=run_id)
    try:
        yield caller
    finally:
        await caller.close()
        if platform is not None:
            await platform.close()
