"""Metric histories thinned for charts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.registry.model import MetricPoint
from aiplatform.registry.thinning import thin

VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300)


def history(values: list[float]) -> list[MetricPoint]:
    return [MetricPoint(step=step, value=value, timestamp_ns=step) for step, value in enumerate(values)]


@given(VALUES, st.integers(4, 60))
def test_thinning_keeps_ends_order_and_extremes(values: list[float], limit: int) -> None:
    points = history(values)
    kept = thin(points, limit)
    assert len(kept) <= limit
    assert [point.step for point in kept] == sorted({point.step for point in kept})
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
    finite = [point.value for point in points if math.isfinite(point.value)]
    if finite:
        shown = [point.value for point in kept if math.isfinite(point.value)]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


@given(VALUES)
def test_a_short_history_stays_whole(values: list[float]) -> None:
    points = history(values)
    assert thin(points, max(4, len(points))) == points


def test_a_loss_that_became_nan_still_shows_where() -> None:
    points = history([1.0] * 50 + [math.nan] * 50)
    assert any(math.isnan(point.value) for point in thin(points, 10)[:-1])


def test_fewer_points_than_can_show_anything_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        thin([], 3)
