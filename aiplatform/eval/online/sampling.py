"""Which traces a rule takes: the same ones every time, in every process."""

from __future__ import annotations

import hashlib
from typing import Final

_BITS: Final = 64


def is_sampled(trace_id: str, rate: float) -> bool:
    """Whether a trace belongs to the share `rate` of all traces. What a lower rate takes, a higher one takes too."""
    digest = hashlib.sha256(f"online/{trace_id}".encode()).digest()
    return int.from_bytes(digest[: _BITS // 8], "big") < rate * 2.0**_BITS
