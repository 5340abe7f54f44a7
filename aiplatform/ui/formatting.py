"""Figures, durations, money and times as pages show them. What is not known reads "—", never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiplatform.core.i18n import N_, translate

UNKNOWN: Final = "—"
MINUS: Final = "−"
SECOND_NS: Final = 1_000_000_000
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
_SIGNS: Final = {"USD": "$", "CNY": "¥", "EUR": "€"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A figure and its unit, apart so that the unit can stand in grey."""

    figure: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.figure} {self.unit}" if self.unit else self.figure


def number(value: float | None, digits: int = 3) -> str:
    """Thousands separated; `digits` significant digits for what is not whole. `18,204`, `0.0103`, `−8.80`.

    Trailing zeros stay, as they say how precise the figure is.
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if float(value).is_integer() and abs(value) < 1e15:
        return _signed(f"{abs(value):,.0f}", value)
    return _signed(_significant(abs(value), digits), value)


def fixed(value: float | None, places: int = 3) -> str:
    """A figure for a column that compares: always `places` decimals. `0.573`."""
    return UNKNOWN if value is None or not math.isfinite(value) else _signed(f"{abs(value):,.{places}f}", value)


def plain(value: float | None) -> str:
    """A figure that somebody chose, as they wrote it: `0.1`, `2`."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:g}"


def full(value: float | None) -> str:
    """All digits that are known, for hovering and copying."""
    return UNKNOWN if value is None or not math.isfinite(value) else repr(value)


def share(value: float | None, locale: str = "en") -> str:
    """A fraction as percent, with a space before it but in Chinese: `2.1 %`, `0.004 %`, `59 %`, `59%`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    percent = value * 100
    size = abs(percent)
    figure = _significant(size, 2) if 0 < size < 10 else f"{size:.0f}"
    return _signed(f"{figure}%" if locale.startswith("zh") else f"{figure} %", percent)


def signed(value: float | None, places: int = 1) -> str:
    """A difference, sign always written: `+5.8`, `−8.8`, `0.0`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{abs(value):,.{places}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def interval(low: float | None, high: float | None, places: int = 1) -> str:
    """An interval of differences: `[−15.1, −2.6]`; an open end is `∞`."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return UNKNOWN
    left = f"{MINUS}∞" if math.isinf(low) else signed(low, places)
    right = "+∞" if math.isinf(high) else signed(high, places)
    return f"[{left}, {right}]"


def p_value(value: float | None) -> str:
    """`0.016`; what is smaller than a table should tell is `< 0.001`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def money(amount: float | Mapping[str, float] | None, currency: str = "USD") -> str:
    """An amount with enough digits to tell $0.009 from $0.000009; two decimals from one on.

    Amounts by currency stand one beside the other: `$0.12 + ¥3.40`. Nothing is converted.
    """
    if isinstance(amount, Mapping):
        return " + ".join(money(each, name) for name, each in sorted(amount.items())) or UNKNOWN
    sign = _SIGNS.get(currency, f"{currency} ")
    if value_is_zero(amount):
        return f"{sign}0"
    if amount is None or not math.isfinite(amount):
        return UNKNOWN
    size = abs(amount)
    text = f"{size:,.2f}" if size >= 1 else _significant(size, 3)
    return _signed(f"{sign}{text}", amount)


def value_is_zero(value: float | None) -> bool:
    """Whether it is known to be exactly nothing."""
    return value == 0


def duration(nanoseconds: float | None) -> Quantity:
    """A time span with the unit that reads best: `21 ms`, `0.72 s`, `3.42 s`, `4.0 min`, `1.5 h`."""
    if nanoseconds is None or not math.isfinite(nanoseconds):
        return Quantity(figure=UNKNOWN)
    seconds = nanoseconds / SECOND_NS
    if seconds < 0.0995:
        return Quantity(figure=_milliseconds(seconds * 1000), unit="ms")
    if seconds < 9.995:
        return Quantity(figure=f"{seconds:.2f}", unit="s")
    if seconds < 59.95:
        return Quantity(figure=f"{seconds:.1f}", unit="s")
    if seconds < HOUR_S:
        return Quantity(figure=f"{seconds / MINUTE_S:.1f}", unit="min")
    return Quantity(figure=f"{seconds / HOUR_S:.1f}", unit="h")


def round_duration(nanoseconds: float) -> str:
    """A round instant of an axis, without the zeros that say nothing: `0`, `50 ms`, `1 s`, `2.5 s`."""
    if nanoseconds == 0:
        return "0"
    shown = duration(nanoseconds)
    figure = shown.figure.rstrip("0").rstrip(".") if "." in shown.figure else shown.figure
    return f"{figure} {shown.unit}"


def size(num_bytes: float | None) -> Quantity:
    """Bytes in binary units: `312 KiB`."""
    if num_bytes is None or not math.isfinite(num_bytes):
        return Quantity(figure=UNKNOWN)
    scaled, unit = float(num_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if scaled < 1023.5 or unit == "TiB":
            break
        scaled /= 1024
    return Quantity(figure=f"{scaled:.0f}" if unit == "B" or scaled >= 9.95 else f"{scaled:.1f}", unit=unit)


def zone_named(name: str | None) -> tzinfo:
    """The viewer's zone from its IANA name; UTC where it is unknown."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def stamp(nanoseconds: int | None, zone: tzinfo, *, milliseconds: bool = False) -> str:
    """`2026-11-23 20:14:07`, in both languages."""
    moment = _moment(nanoseconds, zone)
    if moment is None or nanoseconds is None:
        return UNKNOWN
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{nanoseconds // 1_000_000 % 1000:03d}" if milliseconds else text


def short_stamp(nanoseconds: int | None, zone: tzinfo, now_ns: int) -> str:
    """The time where it is today, month and day before it in this year, the year where it is another."""
    moment, now = _moment(nanoseconds, zone), _moment(now_ns, zone)
    if moment is None or now is None:
        return UNKNOWN
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%m-%d %H:%M}" if moment.year == now.year else f"{moment:%Y-%m-%d}"


def zone_label(zone: tzinfo, now_ns: int) -> str:
    """`UTC` or `UTC+08:00`."""
    moment = _moment(now_ns, zone)
    offset = f"{moment:%z}" if moment else ""
    return "UTC" if offset in {"", "+0000"} else f"UTC{offset[:3]}:{offset[3:]}"


def iso(nanoseconds: int | None) -> str:
    """RFC 3339 in UTC, for `datetime` attributes."""
    moment = _moment(nanoseconds, UTC)
    return "" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def age(nanoseconds: int | None, now_ns: int, locale: str) -> str:
    """How long ago, where age is what counts: `just now`, `4 min ago`."""
    if nanoseconds is None:
        return UNKNOWN
    seconds = max(0, (now_ns - nanoseconds) // SECOND_NS)
    for limit, unit_s, text in _AGES:
        if seconds < limit:
            return translate(text, locale).format(count=seconds // unit_s)
    return translate(N_("{count} d ago"), locale).format(count=seconds // DAY_S)


_AGES: Final = (
    (10, 1, N_("just now")),
    (MINUTE_S, 1, N_("{count} s ago")),
    (HOUR_S, MINUTE_S, N_("{count} min ago")),
    (DAY_S, HOUR_S, N_("{count} h ago")),
)


def _moment(nanoseconds: int | None, zone: tzinfo) -> datetime | None:
    if nanoseconds is None:
        return None
    return datetime.fromtimestamp(nanoseconds / SECOND_NS, tz=zone)


def _milliseconds(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else (f"{value:.1f}" if value >= 0.95 else _significant(value, 2))


def _significant(value: float, digits: int) -> str:
    """A non-negative number with `digits` significant digits, never in scientific notation."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(value))
    rounded = round(value, max(0, digits - 1 - exponent))
    exponent = math.floor(math.log10(rounded)) if rounded else exponent
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}"


def _signed(text: str, value: float) -> str:
    return f"{MINUS}{text}" if value < 0 and any(digit in text for digit in "123456789") else text
