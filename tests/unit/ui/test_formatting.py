"""Figures as pages show them: never 0 for what is not known, never more digits than help."""

from __future__ import annotations

import math
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.ui import formatting as f

NOON_NS = 1_795_521_600_000_000_000  # 2026-11-24 12:00:00 UTC


@pytest.mark.parametrize(
    "show",
    [f.number, f.fixed, f.full, f.share, f.signed, f.p_value, f.money, f.duration, f.size],
    ids=lambda show: show.__name__,
)
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_reads_as_a_dash(show: object, value: float | None) -> None:
    assert callable(show)
    assert str(show(value)) == "—"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (18204, "18,204"),
        (0.0103, "0.0103"),
        (-8.8, "−8.80"),
        (0.00001234, "0.0000123"),
        (9.996, "10.0"),
        (1234.5, "1,234"),
        (0.573, "0.573"),
    ],
)
def test_numbers_have_three_significant_digits_and_thousands_apart(value: float, text: str) -> None:
    assert f.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (0.021, "2.1 %"), (0.59, "59 %"), (1, "100 %"), (0.00004, "0.0040 %"), (-0.02, "−2.0 %")],
)
def test_shares_keep_what_is_small(value: float, text: str) -> None:
    assert f.share(value) == text
    assert f.share(value, "zh_CN") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (0.009, "$0.00900"),
        (0.000009, "$0.00000900"),
        (0.0131, "$0.0131"),
        (238.4, "$238.40"),
        (2000, "$2,000.00"),
    ],
)
def test_money_tells_small_sums_apart(usd: float, text: str) -> None:
    assert f.money(usd) == text


def test_money_keeps_its_currency_and_currencies_apart() -> None:
    assert f.money(2, "CNY") == "¥2.00"
    assert f.money(0.5, "SEK") == "SEK 0.500"
    assert f.money({"USD": 0.12, "CNY": 3.4}) == "¥3.40 + $0.120"
    assert f.money({}) == f.UNKNOWN


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ms"),
        (250_000, "0.25 ms"),
        (21_000_000, "21 ms"),
        (720_000_000, "0.72 s"),
        (3_420_000_000, "3.42 s"),
        (42_000_000_000, "42.0 s"),
        (240_000_000_000, "4.0 min"),
        (5_400_000_000_000, "1.5 h"),
    ],
)
def test_durations_take_the_unit_that_reads_best(nanoseconds: int, text: str) -> None:
    assert str(f.duration(nanoseconds)) == text


@pytest.mark.parametrize(("value", "text"), [(5.8, "+5.8"), (-8.8, "−8.8"), (0.0, "0.0"), (-0.01, "0.0")])
def test_differences_always_have_a_sign_except_nothing(value: float, text: str) -> None:
    assert f.signed(value) == text


def test_an_interval_names_both_ends_and_an_open_one() -> None:
    assert f.interval(-15.1, -2.6) == "[−15.1, −2.6]"
    assert f.interval(-0.4, math.inf) == "[−0.4, +∞]"
    assert f.interval(None, 1.0) == "—"


def test_a_small_p_is_said_to_be_small() -> None:
    assert f.p_value(0.0000001) == "< 0.001"
    assert f.p_value(0.0712) == "0.071"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1023, "1023 B"), (319_488, "312 KiB"), (1_073_741_824, "1.0 GiB")]
)
def test_sizes_are_in_binary_units(value: int, text: str) -> None:
    assert str(f.size(value)) == text


def test_a_stamp_is_in_the_readers_zone() -> None:
    shanghai = f.zone_named("Asia/Shanghai")
    assert f.stamp(NOON_NS, UTC) == "2026-11-24 12:00:00"
    assert f.stamp(NOON_NS, shanghai) == "2026-11-24 20:00:00"
    assert f.zone_label(shanghai, NOON_NS) == "UTC+08:00"
    assert f.zone_label(UTC, NOON_NS) == "UTC"
    assert f.stamp(NOON_NS + 318_000_000, UTC, milliseconds=True) == "2026-11-24 12:00:00.318"
    assert f.iso(NOON_NS) == "2026-11-24T12:00:00.000Z"


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert f.zone_named("Mars/Olympus") is UTC
    assert f.zone_named("../../etc/passwd") is UTC
    assert f.zone_named(None) is UTC


def test_lists_say_the_day_only_where_it_is_another() -> None:
    day = 86_400 * f.SECOND_NS
    assert f.short_stamp(NOON_NS - 60 * f.SECOND_NS, UTC, NOON_NS) == "11:59:00"
    assert f.short_stamp(NOON_NS - day, UTC, NOON_NS) == "11-23 12:00"
    assert f.short_stamp(NOON_NS - 400 * day, UTC, NOON_NS) == "2025-10-20"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "just now"), (42, "42 s ago"), (240, "4 min ago"), (7300, "2 h ago"), (200_000, "2 d ago"), (-5, "just now")],
)
def test_age_is_for_what_is_fresh(seconds: int, text: str) -> None:
    assert f.age(NOON_NS - seconds * f.SECOND_NS, NOON_NS, "en") == text


@given(st.floats(min_value=1e-9, max_value=1e14))
def test_three_digits_are_never_off_by_more_than_half_of_the_third(value: float) -> None:
    shown = float(f.number(value).replace(",", ""))
    assert math.isclose(shown, value, rel_tol=0.0051)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_no_figure_is_written_in_scientific_notation(value: float) -> None:
    assert "e" not in f.number(value)
    assert "e" not in f.money(value)


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(0, "0"), (50_000_000, "50 ms"), (1_000_000_000, "1 s"), (2_500_000_000, "2.5 s")]
)
def test_instants_of_an_axis_have_no_idle_zeros(nanoseconds: int, text: str) -> None:
    assert f.round_duration(nanoseconds) == text
