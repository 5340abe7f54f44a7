"""The time that a list shows: a range that ends now, or one that was chosen on a histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiplatform.core.i18n import N_

MILLISECOND_NS: Final = 1_000_000
HOUR_NS: Final = 3_600_000_000_000
RANGES: Final[dict[str, tuple[int, str]]] = {
    "30m": (HOUR_NS // 2, N_("Last 30 minutes")),
    "1h": (HOUR_NS, N_("Last hour")),
    "6h": (6 * HOUR_NS, N_("Last 6 hours")),
    "24h": (24 * HOUR_NS, N_("Last 24 hours")),
    "3d": (72 * HOUR_NS, N_("Last 3 days")),
    "7d": (168 * HOUR_NS, N_("Last 7 days")),
    "30d": (720 * HOUR_NS, N_("Last 30 days")),
}
DEFAULT_RANGE: Final = "7d"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """From one moment until before another, in nanoseconds."""

    from_ns: int
    to_ns: int
    key: str | None
    """Name of the relative range; None for a chosen one."""

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.to_ns - self.from_ns


def time_range(last: str | None, from_ms: str | None, to_ms: str | None, now_ns: int) -> TimeRange:
    """What the address asks for; what cannot be read falls back to the default range.

    Args:
        last: Key of a relative range.
        from_ms: Milliseconds since 1970, of the first moment.
        to_ms: The same, of the first moment after.
        now_ns: Where relative ranges end.
    """
    if from_ms and to_ms and from_ms.isdecimal() and to_ms.isdecimal() and int(from_ms) < int(to_ms) < 10**14:
        return TimeRange(from_ns=int(from_ms) * MILLISECOND_NS, to_ns=int(to_ms) * MILLISECOND_NS, key=None)
    key = last if last in RANGES else DEFAULT_RANGE
    # A span that arrives in this very moment belongs to the range.
    end = now_ns + MILLISECOND_NS
    return TimeRange(from_ns=end - RANGES[key][0], to_ns=end, key=key)
