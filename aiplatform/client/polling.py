"""Looking again and again until something has happened, or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from aiplatform.core.clock import Clock, SystemClock

T = TypeVar("T")


def poll(
    look: Callable[[], T],
    *,
    until: Callable[[T], bool],
    every_s: float,
    timeout_s: float | None = None,
    clock: Clock | None = None,
) -> T:
    """What was seen last: that which `until` holds for, or what there was when time was up.

    Args:
        look: Asks how things stand; called at once, and then every `every_s` seconds.
        until: Whether the wait is over.
        every_s: Seconds between two looks.
        timeout_s: Seconds until the last look; None waits as long as it takes.
        clock: What sleeps between the looks.
    """
    clock = clock or SystemClock()
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        seen = look()
        if until(seen) or (ends is not None and time.monotonic() >= ends):
            return seen
        clock.sleep(every_s)
