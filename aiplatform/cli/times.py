"""Moments and spans of time, as people write and read them on a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdwy])")


def when(at_ns: int | None) -> str | None:
    """A moment in the reader's time zone to the minute, with its offset; None stays None."""
    if at_ns is None:
        return None
    return datetime.fromtimestamp(at_ns / 1_000_000_000, UTC).astimezone().strftime("%Y-%m-%d %H:%M %z")


def seconds_of(text: str) -> float:
    """The seconds in `90s`, `12h`, `30d`.

    Raises:
        InvalidError: It is not written so.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidError(
            N_("{text!r} is not a length of time."),
            hint=N_("Write a number and a unit: 90s, 15m, 12h, 30d, 4w, 1y."),
            reason="duration.malformed",
            text=text,
        )
    return float(found[1]) * _UNITS_S[found[2]]
