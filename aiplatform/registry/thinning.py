"""Metric histories thinned for charts, so that no peak is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiplatform.registry.model import MetricPoint


def thin(points: Sequence[MetricPoint], limit: int) -> list[MetricPoint]:
    """At most `limit` of the points, in order of step: first, last, and the lowest and highest of equal parts.

    A point whose value is not a finite number is kept out of the search for extremes; a part of nothing else gives its
    first one, so that a chart still shows where a loss became NaN.

    Args:
        points: In order of step.
        limit: At least 4.

    Raises:
        ValueError: `limit` is less than 4.
    """
    if limit < 4:
        raise ValueError(f"limit must be at least 4, not {limit}")
    if len(points) <= limit:
        return list(points)
    inner = range(1, len(points) - 1)
    num_parts = (limit - 2) // 2
    kept = {0, len(points) - 1}
    for part in range(num_parts):
        begin = 1 + part * len(inner) // num_parts
        end = 1 + (part + 1) * len(inner) // num_parts
        finite = [index for index in range(begin, end) if math.isfinite(points[index].value)]
        if not finite:
            kept.add(begin)
            continue
        kept.add(min(finite, key=lambda index: points[index].value))
        kept.add(max(finite, key=lambda index: points[index].value))
    return [points[index] for index in sorted(kept)]
