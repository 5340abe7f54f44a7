"""What is kept of paid calls, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """An amount in its currency."""

    amount: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStats:
    """How many answers are kept, and what they took."""

    calls: int
    size_bytes: int
    input_tokens: int
    output_tokens: int
    costs: tuple[CallCost, ...] = ()
    """By currency; calls of models without a price are in none."""

    oldest_ns: int | None = None

    def to_json(self) -> Mapping[str, Any]:
        """As it is answered."""
        return asdict(self)
