"""Where marks stand: positions in percent, for waterfalls, histograms and sparklines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.core.axes import Tick, nice_step

LABEL_INSIDE_FROM: Final = 22.0
"""Percent of the lane from which a bar is wide enough to hold its own label."""

LABEL_ROOM: Final = 16.0
"""Percent of the lane that a label beside a bar needs."""

MIN_BAR: Final = 0.6
"""Percent of the lane that the shortest span still takes, so that it can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One span in the lane of a waterfall, all in percent of its width."""

    x: float
    width: float
    label_at: float
    label_side: str
    """`inside`, `right` or `left` of the bar."""


def bar_for(start_ns: int, end_ns: int, *, origin_ns: int, total_ns: int) -> Bar:
    """Where a span lies in its trace, and where its duration can be written."""
    total = max(1, total_ns)
    x = min(100.0, max(0.0, (start_ns - origin_ns) / total * 100))
    width = max(MIN_BAR, min(100.0 - x, (end_ns - start_ns) / total * 100))
    x = min(x, 100.0 - width)
    if width >= LABEL_INSIDE_FROM:
        side, label_at = "inside", x + width
    elif x + width + LABEL_ROOM <= 100.0:
        side, label_at = "right", x + width
    else:
        side, label_at = "left", x
    return Bar(x=round(x, 3), width=round(width, 3), label_at=round(label_at, 3), label_side=side)


def time_ticks(total_ns: int, aim: int = 4) -> tuple[Tick, ...]:
    """Round instants of a waterfall's lane: positions in percent, values in nanoseconds; the end is not among them."""
    if total_ns <= 0:
        return ()
    step = nice_step(total_ns / aim)
    count = math.floor(total_ns / step)
    ticks = [Tick(at=round(index * step / total_ns * 100, 3), value=index * step) for index in range(count + 1)]
    return tuple(tick for tick in ticks if tick.at <= 88.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One bucket of a histogram: heights in percent, the failed part at the bottom."""

    x: float
    width: float
    height: float
    failed_height: float
    start_ns: int
    end_ns: int
    count: int
    failed: int


def columns_for(buckets: Sequence[tuple[int, int, int]], *, width_ns: int) -> tuple[Column, ...]:
    """Bars of a histogram over time.

    Args:
        buckets: (start in ns, count, failed) of every bucket in order, the empty ones too.
        width_ns: Length of one bucket.
    """
    if not buckets:
        return ()
    top = max(1, *(count for _, count, _ in buckets))
    width = 100 / len(buckets)
    return tuple(
        Column(
            x=round(index * width, 4),
            width=round(width * 0.92, 4),
            height=round(count / top * 100, 2),
            failed_height=round(failed / top * 100, 2),
            start_ns=start,
            end_ns=start + width_ns,
            count=count,
            failed=failed,
        )
        for index, (start, count, failed) in enumerate(buckets)
    )


MARGIN: Final = 3.0
"""Percent beside the edges of a chart where a centred label would be cut."""

BUCKET_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def bucket_ns(range_ns: int, aim: int = 48) -> int:
    """A round bucket length that cuts a time range into about `aim` pieces."""
    wanted = range_ns / 1e9 / aim
    days = math.ceil(wanted / BUCKET_SECONDS[-1]) * BUCKET_SECONDS[-1]
    return next((step for step in BUCKET_SECONDS if step >= wanted), days) * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Slices of time whose borders lie on round times of the viewer's clock."""

    from_ns: int
    width_ns: int
    count: int
    ticks: tuple[Tick, ...]
    """Borders that carry a label: positions in percent, values in nanoseconds since 1970."""

    @property
    def to_ns(self) -> int:
        """The end of the last one."""
        return self.from_ns + self.count * self.width_ns

    def start_of(self, index: int) -> int:
        """Where one begins."""
        return self.from_ns + index * self.width_ns


def buckets_for(from_ns: int, to_ns: int, offset_ns: int) -> Buckets:
    """Slices that hold all of [from, to).

    Args:
        from_ns: Where the range begins.
        to_ns: The first moment after it.
        offset_ns: What the viewer's clock is ahead of UTC.
    """
    width = bucket_ns(to_ns - from_ns)
    start = from_ns - (from_ns + offset_ns) % width
    count = -(-(to_ns - start) // width)
    step = bucket_ns(count * width, aim=6)
    first = start + -(start + offset_ns) % step
    at = [
        (time, round((time - start) / (count * width) * 100, 3)) for time in range(first, start + count * width, step)
    ]
    ticks = tuple(Tick(at=place, value=time) for time, place in at if MARGIN <= place <= 100 - MARGIN)
    return Buckets(from_ns=start, width_ns=width, count=count, ticks=ticks)


def sparkline(values: Sequence[float | None], *, width: float = 100.0, height: float = 28.0) -> str:
    """The `points` of a polyline; unknown values are left out, a flat line lies in the middle."""
    known = [(index, value) for index, value in enumerate(values) if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(value for _, value in known), max(value for _, value in known)
    reach = high - low
    last = len(values) - 1

    def y(value: float) -> float:
        return height / 2 if reach == 0 else height - 2 - (value - low) / reach * (height - 4)

    return " ".join(f"{index / last * width:.2f},{y(value):.2f}" for index, value in known)
