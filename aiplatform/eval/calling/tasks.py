"""Many calls side by side, none of which loses another's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from aiplatform.eval.calling.gate import CappedError

LAST_S: Final = 5.0
"""How long calls under way may take once one has ended the run, before they are given up."""

T = TypeVar("T")

_LIMITS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]] = WeakKeyDictionary()


async def all_settled(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them come to.

    Raises:
        Exception: What the first of them failed with. The others were waited for, as what they pay for is kept: where a
            cap is reached to the end, else for five seconds.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    if not tasks:
        return []
    try:
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = next((error for task in done if (error := task.exception()) is not None), None)
        if failed is not None and pending:
            await asyncio.wait(pending, timeout=None if isinstance(failed, CappedError) else LAST_S)
        if failed is not None:
            raise failed
        return [task.result() for task in tasks]
    finally:
        open_tasks = [task for task in tasks if not task.done()]
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def worker_limit(name: str, most: int) -> asyncio.Semaphore:
    """The one semaphore of that name in this event loop, for what a worker's blocks share."""
    limits = _LIMITS.setdefault(asyncio.get_running_loop(), {})
    return limits.setdefault(f"{name}/{most}", asyncio.Semaphore(most))
