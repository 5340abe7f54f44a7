"""A clock that tests turn by hand."""

from __future__ import annotations

from typing import Final

START_NS: Final = 1_790_000_000_000_000_000  # a day in September 2026


class FakeClock:
    """Time stands still until `advance` or `sleep` moves it."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Move time on at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move time on by so many seconds."""
        self._now_ns += round(seconds * 1_000_000_000)
