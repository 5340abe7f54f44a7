"""Identifiers: sortable by time, with a prefix that says whose they are."""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_CHARACTERS: Final = 10
_RANDOM_CHARACTERS: Final = 12
_SLUG: Final = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")


def new_id(prefix: str, now_ns: int | None = None) -> str:
    """A fresh identifier such as `run-01jd3k…`: its order is the order of time to the millisecond."""
    milliseconds = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    digits = [_ALPHABET[(milliseconds >> shift) & 31] for shift in range(5 * (_TIME_CHARACTERS - 1), -1, -5)]
    random = (_ALPHABET[byte & 31] for byte in secrets.token_bytes(_RANDOM_CHARACTERS))
    return f"{prefix}-{''.join(digits)}{''.join(random)}"


def check_slug(value: str, what: str) -> str:
    """`value` where it can name a tenant or a project: a DNS label of at most 40 characters.

    Args:
        value: The proposed identifier.
        what: What it names, as a catalogue text, for the error.

    Raises:
        InvalidError: It is not one.
    """
    if not _SLUG.fullmatch(value):
        raise InvalidError(
            N_("{value!r} cannot name a {what}."),
            hint=N_("Use 1 to 40 lower-case letters, digits and hyphens; begin with a letter, end without a hyphen."),
            value=value,
            what=what,
        )
    return value
