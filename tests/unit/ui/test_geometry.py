"""Where marks stand: one domain for all rows, zero always in it, nothing outside of the lane."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.axes import axis_for
from aiplatform.ui.geometry import bar_for, bucket_ns, buckets_for, columns_for, sparkline, time_ticks

FINITE = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


@given(st.lists(FINITE, max_size=20))
def test_the_domain_holds_every_value_and_zero(values: list[float]) -> None:
    axis = axis_for(values)
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in [*values, 0.0])
    assert 0 <= axis.zero <= 100


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_ticks_stand_evenly_at_round_values_inside(values: list[float]) -> None:
    axis = axis_for(values)
    assert 2 <= len(axis.ticks) <= 14
    assert all(0 <= tick.at <= 100 for tick in axis.ticks)
    gaps = [right.value - left.value for left, right in itertools.pairwise(axis.ticks)]
    assert max(gaps) == pytest.approx(min(gaps), rel=1e-6)


def test_what_is_not_known_or_endless_does_not_stretch_the_domain() -> None:
    axis = axis_for([None, float("inf"), float("nan"), -10.0, 5.0])
    assert axis.low == pytest.approx(-11.5)
    assert axis.high == pytest.approx(6.5)
    assert not axis.holds(float("inf"))
    assert axis.at(float("inf")) == 100.0


TIMES = st.integers(min_value=0, max_value=10**12)


@given(TIMES, TIMES, st.integers(min_value=1, max_value=10**12))
def test_a_bar_never_leaves_its_lane_and_can_be_seen(start: int, length: int, total: int) -> None:
    bar = bar_for(start, start + length, origin_ns=0, total_ns=total)
    assert 0 <= bar.x <= 100
    assert 0.5 < bar.width <= 100.001
    assert bar.x + bar.width <= 100.01


def test_a_label_stands_where_there_is_room() -> None:
    sides = [bar_for(start, end, origin_ns=0, total_ns=100).label_side for start, end in ((0, 90), (10, 15), (90, 99))]
    assert sides == ["inside", "right", "left"]


@given(st.integers(min_value=1, max_value=10**15))
def test_instants_of_a_lane_leave_room_for_its_end(total: int) -> None:
    assert all(0 <= tick.at <= 88 for tick in time_ticks(total))


def test_columns_fill_the_width_and_the_highest_reaches_the_top() -> None:
    columns = columns_for([(0, 4, 1), (10, 0, 0), (20, 8, 8)], width_ns=10)
    assert [column.height for column in columns] == [50.0, 0.0, 100.0]
    assert [column.failed_height for column in columns] == [12.5, 0.0, 100.0]
    assert columns[-1].x + columns[-1].width <= 100
    assert columns_for([], width_ns=10) == ()


def test_buckets_are_round() -> None:
    assert bucket_ns(24 * 3600 * 10**9) == 1800 * 10**9
    assert bucket_ns(10**9) == 10**9

    assert bucket_ns(400 * 86_400 * 10**9) == 9 * 86_400 * 10**9


@given(
    st.integers(min_value=0, max_value=2 * 10**18),
    st.integers(min_value=10**9, max_value=10**17),
    st.integers(min_value=-48, max_value=56),
)
def test_buckets_hold_the_range_and_begin_on_the_viewers_clock(start: int, length: int, quarters: int) -> None:
    offset = quarters * 900 * 10**9
    found = buckets_for(start, start + length, offset)
    assert found.from_ns <= start < found.from_ns + found.width_ns
    assert found.to_ns - found.width_ns < start + length <= found.to_ns
    assert (found.from_ns + offset) % found.width_ns == 0
    assert found.count <= 50
    assert len(found.ticks) <= 8
    for tick in found.ticks:
        assert found.from_ns <= tick.value < found.to_ns
        assert 3 <= tick.at <= 97


def test_labels_of_a_day_stand_at_round_hours_of_the_viewers_zone() -> None:
    hour = 3600 * 10**9
    found = buckets_for(9 * hour, 33 * hour, 8 * hour)
    assert found.width_ns == hour // 2
    assert [(tick.value // hour + 8) % 24 for tick in found.ticks] == [20, 0, 4, 8, 12, 16]


def test_a_line_needs_two_points_and_skips_what_is_not_known() -> None:
    assert sparkline([1.0]) == ""
    assert sparkline([None, None]) == ""
    assert sparkline([1.0, None, 3.0]) == "0.00,26.00 100.00,2.00"
    assert sparkline([2.0, 2.0]) == "0.00,14.00 100.00,14.00"
