"""What must not leave the application: the user's own mask, and ready patterns.

Masks run where spans are written for sending, on the exporter's thread: they cost a call nothing, and what goes to disk
while the platform is away is masked already. A mask that fails hides the whole value, never lets it through.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.sdk.wire import Mask

FAILED: Final = "[masking failed]"
UNKNOWN: Final = "[masked]"
"""Stands for every text in a worker that cannot be given the driver's mask."""

_PLAIN: Final = (str, bool, int, float, bytes)
_NAMES_KEPT: Final = frozenset({"openinference.span.kind", "gen_ai.operation.name", "error.type", "name"})

logger = logging.getLogger(__name__)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _card(found: re.Match[str]) -> str:
    return "[card]" if _luhn(re.sub(r"\D", "", found[0])) else found[0]


PATTERNS: Final[Mapping[str, tuple[re.Pattern[str], Any]]] = {
    "email": (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", re.ASCII), "[email]"),
    "credit_card": (re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w])", re.ASCII), _card),
    "api_key": (
        re.compile(
            r"\b(?:sk|pk|rk|aip|ghp|gho|ghs|glpat|hf|xox[abp])[-_][\w-]{16,200}|\bAKIA[0-9A-Z]{16}\b"
            r"|(?i:bearer) +[\w.~+/-]{16,500}=*|\beyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{8,1000}",
            re.ASCII,
        ),
        "[key]",
    ),
    "phone": (
        re.compile(r"(?<![\w.+-])(?:\+\d{1,3}[ -]?(?:\(?\d{1,4}\)?[ -]?){2,5}\d{2,4}|1[3-9]\d{9})(?![\w])", re.ASCII),
        "[phone]",
    ),
    "china_id": (
        re.compile(r"(?<![0-9A-Za-z])\d{6}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dXx](?![0-9A-Za-z])", re.ASCII),
        "[id]",
    ),
    "ip_address": (
        re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])", re.ASCII),
        "[ip]",
    ),
}
"""Ready patterns by name, none on unless asked for; what replaces a match says what was there.

They are of ASCII, so that a Chinese character beside a number ends it.
"""


def masking(mask: Mask | None, patterns: Collection[str]) -> Mask | None:
    """One mask that never raises, of a user's mask and ready patterns, in this order; None where there is neither.

    Raises:
        InvalidError: There is no pattern of that name.
    """
    unknown = sorted(set(patterns) - PATTERNS.keys())
    if unknown:
        raise InvalidError(
            N_("There is no masking pattern {name!r}."),
            hint=N_("Patterns are {known}."),
            reason="tracing.mask_pattern",
            name=unknown[0],
            known=", ".join(sorted(PATTERNS)),
        )
    if mask is None and not patterns:
        return None
    return _Masking(mask, [PATTERNS[name] for name in PATTERNS if name in patterns])


def everything(name: str, value: Any) -> Any:
    """A mask that lets no text through: for workers that know that there is one but not which."""
    return UNKNOWN if isinstance(value, str) and name not in _NAMES_KEPT else value


class _Masking:
    """The user's mask, then the patterns; a failure of either hides the value."""

    def __init__(self, mask: Mask | None, patterns: Sequence[tuple[re.Pattern[str], Any]]) -> None:
        self._mask = mask
        self._patterns = patterns
        self._has_warned = False

    def __call__(self, name: str, value: Any) -> Any:
        try:
            found = value if self._mask is None else self._mask(name, value)
            return self._replaced(found) if self._patterns else _checked(found)
        except BaseException as error:  # noqa: BLE001 - whatever happens in a mask, the value stays hidden
            if not self._has_warned:
                self._has_warned = True
                # Neither the message nor the traceback: both may quote the value.
                logger.warning("a mask failed with %s; values that it fails for are hidden", type(error).__name__)
            return FAILED

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            for pattern, replacement in self._patterns:
                value = pattern.sub(replacement, value)
            return value
        if value is None or isinstance(value, _PLAIN):
            return value
        if isinstance(value, Mapping):
            return {self._replaced(str(key)): self._replaced(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self._replaced(item) for item in value]
        return _checked(value)


def _checked(value: Any) -> Any:
    if value is None or isinstance(value, (*_PLAIN, Mapping, Sequence)):
        return value
    raise TypeError
