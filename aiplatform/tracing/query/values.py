"""Values as they stand in a query: numbers, lengths of time, moments, and words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aiplatform.tracing.query.fields import Field, Kind
from aiplatform.tracing.query.tree import Ago, Duration, Instant, Value

NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|min|m|h|d|w)?", re.IGNORECASE)
_AGO: Final = re.compile(r"now(?:-(.+))?", re.IGNORECASE)
_UNITS_NS: Final = {
    "ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9,
    "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9,
}  # fmt: skip
_PRINTED: Final = ("w", "d", "h", "m", "s", "ms", "us")
_MAX_NS: Final = 2**62


def storable(text: str) -> str:
    """A text as both databases can hold it, of the same length: without NUL, and without halves of pairs."""
    if text.isascii():
        return text.replace("\0", " ")
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def read_value(field: Field, text: str, *, is_quoted: bool) -> Value:
    """The value that a text means for a field.

    Raises:
        ValueError: The field cannot have it.
    """
    match field.kind:
        case Kind.CHOICE:
            lowered = text.lower()
            if lowered not in field.choices:
                raise ValueError(text)
            return lowered
        case Kind.NUMBER:
            return read_number(text)
        case Kind.DURATION:
            return Duration(read_length(text))
        case Kind.TIME:
            return read_moment(text)
        case Kind.ANY if not is_quoted and NUMBER.fullmatch(text):
            return read_number(text)
        case _:
            return text


def read_number(text: str) -> int | float:
    """A number; a whole one stays whole.

    Raises:
        ValueError: It is none, or none that is finite.
    """
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(text)
    return number


def read_length(text: str) -> int:
    """Nanoseconds of `500ms`, `2s`, `1.5min`, `7d`; a bare number means seconds.

    Raises:
        ValueError: It is no length of time, or one of more than 146 years.
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ValueError(text)
    size = _UNITS_NS[(match[2] or "s").lower()]
    length = round(float(match[1]) * size) if "." in match[1] else int(match[1]) * size
    if length > _MAX_NS:
        raise ValueError(text)
    return length


def read_moment(text: str) -> Ago | Instant:
    """`now`, `now-2h`, a day, or a date and time of ISO 8601 (UTC where no zone is given).

    Raises:
        ValueError: It is none of them.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return Ago(read_length(ago[1]) if ago[1] else 0)
    if text.isascii() and text.isdigit() and len(text) == 19:
        return Instant(int(text))
    fraction = re.search(r"\.(\d{1,9})(?=$|[Zz+-])", text)
    moment = datetime.fromisoformat(text.replace(fraction[0], "") if fraction else text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole_s = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return Instant(whole_s * 10**9 + (int(fraction[1].ljust(9, "0")) if fraction else 0))


def is_day(text: str) -> bool:
    """Whether a text names a whole day."""
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def length_text(ns: int) -> str:
    """A length of time in the largest unit that holds it exactly."""
    unit = next((unit for unit in _PRINTED if ns and ns % _UNITS_NS[unit] == 0), "ns")
    return f"{ns // _UNITS_NS[unit]}{unit}"


def moment_text(ns: int) -> str:
    """A moment as ISO 8601 in UTC, exact to the nanosecond."""
    seconds, rest = divmod(ns, 10**9)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest:09d}Z" if rest else f"{whole}Z"
