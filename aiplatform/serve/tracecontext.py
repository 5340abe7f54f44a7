"""W3C trace context at the door: whose child a request is, and what the replica is told."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_TRACESTATE_CHARS: Final = 512
_random: Final = random.Random()  # noqa: S311 - ids need be unlike each other, not secret, and a system call costs more


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The span of one request at the door."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    tracestate: str
    is_sampled: bool
    """False where the caller decided to record nothing of this trace."""

    @property
    def traceparent(self) -> str:
        """What the next process is told: its spans are children of the door's."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


def enter(traceparent: str | None, tracestate: str | None = None) -> TraceContext:
    """The context of a new span: a child of `traceparent`, else the root of a new trace.

    Source:
        W3C Trace Context, section 3.2: a malformed header, version ff and zero ids start a new trace.
    """
    fresh = f"{_random.getrandbits(192):048x}"
    span_id = fresh[32:]
    match = _TRACEPARENT.fullmatch(traceparent.strip().lower()) if traceparent else None
    if match is not None:
        version, trace_id, parent_id, flags, rest = match.groups()
        if version != "ff" and trace_id.strip("0") and parent_id.strip("0") and not (version == "00" and rest):
            state = tracestate if tracestate and len(tracestate) <= _MAX_TRACESTATE_CHARS else ""
            return TraceContext(
                trace_id=trace_id,
                span_id=span_id,
                parent_span_id=parent_id,
                tracestate=state,
                is_sampled=bool(int(flags, 16) & 1),
            )
    return TraceContext(trace_id=fresh[:32], span_id=span_id, parent_span_id=None, tracestate="", is_sampled=True)
