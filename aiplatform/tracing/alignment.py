"""Two traces side by side: which span of the one answers to which of the other.

Spans are matched by where they stand: below matched parents, by name, and among siblings of one name by their order. A
retry thus stands beside nothing, and the spans after it beside their twins all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiplatform.tracing.model import SpanRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One line of the two trees laid over each other."""

    a: SpanRow | None
    b: SpanRow | None
    depth: int

    @property
    def name(self) -> str:
        """The name that both have."""
        row = self.a or self.b
        return row.name if row is not None else ""

    @property
    def duration_change_ns(self) -> int | None:
        """How much longer it took in the second trace; None where either has not ended or is not there."""
        if self.a is None or self.b is None or self.a.duration_ns is None or self.b.duration_ns is None:
            return None
        return self.b.duration_ns - self.a.duration_ns


def align(a: Sequence[SpanRow], b: Sequence[SpanRow]) -> list[Pair]:
    """Every span of both traces once, each parent before its children; linear in the number of spans.

    Args:
        a: Rows of the first trace in the order of its tree, with their depth.
        b: Rows of the second one, likewise.
    """
    left, right = _children(a), _children(b)
    pairs: list[Pair] = []
    stack = list(reversed(_matched(left.get(None, []), right.get(None, []))))
    depths = [0] * len(stack)
    while stack:
        (one, other), depth = stack.pop(), depths.pop()
        pairs.append(Pair(a=one, b=other, depth=depth))
        below = _matched(
            left.get(one.span_id, []) if one is not None else [],
            right.get(other.span_id, []) if other is not None else [],
        )
        stack.extend(reversed(below))
        depths.extend([depth + 1] * len(below))
    return pairs


def _children(rows: Sequence[SpanRow]) -> dict[str | None, list[SpanRow]]:
    """Rows by the row that they stand below, read off the depths: parents that never arrived are no matter then."""
    found: dict[str | None, list[SpanRow]] = {}
    above: list[str] = []
    for row in rows:
        del above[row.depth :]
        found.setdefault(above[-1] if above else None, []).append(row)
        above.append(row.span_id)
    return found


def _matched(a: Sequence[SpanRow], b: Sequence[SpanRow]) -> list[tuple[SpanRow | None, SpanRow | None]]:
    """Siblings of both in the order of the first; those of the second alone follow what came before them there."""
    left, right = _keyed(a), _keyed(b)
    after: dict[tuple[str, int] | None, list[SpanRow]] = {}
    last: tuple[str, int] | None = None
    for key, row in right.items():
        if key in left:
            last = key
        else:
            after.setdefault(last, []).append(row)
    found: list[tuple[SpanRow | None, SpanRow | None]] = [(None, row) for row in after.get(None, [])]
    for key, row in left.items():
        found.append((row, right.get(key)))
        found.extend((None, extra) for extra in after.get(key, []))
    return found


def _keyed(rows: Sequence[SpanRow]) -> dict[tuple[str, int], SpanRow]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], SpanRow] = {}
    for row in rows:
        found[row.name, seen[row.name]] = row
        seen[row.name] += 1
    return found
