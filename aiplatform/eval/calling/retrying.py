"""What follows a call that failed: another attempt, a failed row, or the end of the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_ATTEMPTS: Final = 10
FIRST_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 30.0
MAX_RETRY_AFTER_S: Final = 600.0
"""A server that asks for more patience than this is taken to have answered for good."""

_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_THROTTLED: Final = frozenset({429, 503, 529})


class Fate(StrEnum):
    """What follows."""

    RETRY = "retry"
    FAIL_ROW = "fail_row"
    STOP_RUN = "stop_run"


class Fault(StrEnum):
    """What went wrong."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    STATUS = "status"
    MALFORMED = "malformed"
    """The body is not what the protocol promises."""


@dataclass(slots=True)
class CallError(Exception):
    """One attempt that failed."""

    fault: Fault
    told: str
    status: int = 0
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.told}" if self.status else self.told

    @property
    def is_throttle(self) -> bool:
        """Whether it says: slower."""
        return self.status in _THROTTLED

    @property
    def fate(self) -> Fate:
        """What follows, as long as attempts are left.

        A key that is not known, one that may not, and a model that does not exist would fail every further call too.
        """
        if self.fault is not Fault.STATUS:
            return Fate.RETRY
        if self.status in {401, 403, 404}:
            return Fate.STOP_RUN
        is_patient = self.retry_after_s is None or self.retry_after_s <= MAX_RETRY_AFTER_S
        return Fate.RETRY if self.status in _RETRIED and is_patient else Fate.FAIL_ROW


def wait_s(attempt: int, drawn: float, retry_after_s: float | None = None) -> float:
    """How long to wait before the next attempt: full jitter over a doubling span, after what the server asked for.

    Args:
        attempt: The one that failed, counted from 1.
        drawn: Between 0 and 1.
        retry_after_s: What the server asked for.
    """
    span: float = min(FIRST_WAIT_S * 2.0 ** (attempt - 1), MAX_WAIT_S)
    if retry_after_s is not None:
        return retry_after_s + drawn * min(span, FIRST_WAIT_S)
    return drawn * span


def seconds_of(retry_after: str) -> float | None:
    """Seconds that a `Retry-After` header asks for; None where it is not written in seconds."""
    text = retry_after.strip()
    return float(text) if text.replace(".", "", 1).isdigit() else None
