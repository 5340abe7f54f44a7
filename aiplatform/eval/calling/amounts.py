"""What calls take of a run's caps: calls, tokens, money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

NANO: Final = 1_000_000_000
"""Parts of one unit of a currency that costs are counted in, so that sums are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Counts of three kinds, added and compared together."""

    calls: float = 0
    tokens: float = 0
    nanos: float = 0
    """Billionths of the run's currency."""

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            calls=self.calls + other.calls, tokens=self.tokens + other.tokens, nanos=self.nanos + other.nanos
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            calls=self.calls - other.calls, tokens=self.tokens - other.tokens, nanos=self.nanos - other.nanos
        )

    def times(self, count: float) -> Amounts:
        """So many of them."""
        return Amounts(calls=self.calls * count, tokens=self.tokens * count, nanos=self.nanos * count)

    def within(self, other: Amounts) -> bool:
        """Whether no count is larger than the other's."""
        return self.calls <= other.calls and self.tokens <= other.tokens and self.nanos <= other.nanos

    def least(self, other: Amounts) -> Amounts:
        """The smaller of both, each count by itself."""
        return Amounts(
            calls=min(self.calls, other.calls),
            tokens=min(self.tokens, other.tokens),
            nanos=min(self.nanos, other.nanos),
        )

    @property
    def is_zero(self) -> bool:
        """Whether there is nothing of any."""
        return not (self.calls or self.tokens or self.nanos)


NOTHING: Final = Amounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a run may take at most; None: as much as it needs."""

    calls: int | None = None
    tokens: int | None = None
    """Input and output together."""

    cost: float | None = None
    currency: str = ""
    """ISO 4217; needed with `cost`."""

    @property
    def amounts(self) -> Amounts:
        """The caps as amounts; what is not capped is infinite."""
        return Amounts(
            calls=math.inf if self.calls is None else self.calls,
            tokens=math.inf if self.tokens is None else self.tokens,
            nanos=math.inf if self.cost is None else math.floor(self.cost * NANO),
        )

    @property
    def is_set(self) -> bool:
        """Whether anything is capped."""
        return self.calls is not None or self.tokens is not None or self.cost is not None
