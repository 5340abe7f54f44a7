"""What callers name, checked: ids, names and types of scores; and the errors of what is not there."""

from __future__ import annotations

import re
from typing import Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.tracing.model import ScoreType, ScoreValue

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")


def checked_trace_id(value: str) -> str:
    """A trace's id as it is stored: 32 lower-case hexadecimal digits, whatever the writing.

    Raises:
        InvalidError: It is none.
    """
    return _hex(value.removeprefix("tr-"), _TRACE_ID, N_("{value!r} is not a trace id: 32 hexadecimal digits."))


def checked_span_id(value: str) -> str:
    """A span's id as it is stored: 16 lower-case hexadecimal digits.

    Raises:
        InvalidError: It is none.
    """
    return _hex(value, _SPAN_ID, N_("{value!r} is not a span id: 16 hexadecimal digits."))


def _hex(value: str, pattern: re.Pattern[str], message: str) -> str:
    lowered = value.strip().lower().replace("-", "")
    if not pattern.fullmatch(lowered):
        raise InvalidError(message, reason="tracing.bad_id", value=value)
    return lowered


def checked_score_id(value: str) -> str:
    """A score's id, as somebody chose it.

    Raises:
        InvalidError: It is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
        raise InvalidError(
            N_("{value!r} is not a score id."),
            hint=N_("Use 1 to 64 letters, digits and . _ : -"),
            value=value,
        )
    return value


def checked_name(name: str) -> str:
    """A score's name without white space around it.

    Raises:
        InvalidError: It is empty or too long.
    """
    if not 1 <= len(name.strip()) <= 200:
        raise InvalidError(N_("A score needs a name of 1 to 200 characters."))
    return name.strip()


def checked_type(value: ScoreValue, wanted: ScoreType | None) -> ScoreType:
    """The type of a score: the one that is wanted, else the value's own.

    Raises:
        InvalidError: The value is not of that type, or no number that can be compared.
    """
    if isinstance(value, bool):
        natural = {ScoreType.BOOLEAN}
    elif isinstance(value, str):
        natural = {ScoreType.LABEL, ScoreType.TEXT}
    else:
        natural = {ScoreType.NUMERIC}
        if value != value or value in {float("inf"), float("-inf")}:
            raise InvalidError(N_("A score cannot be {value!r}."), value=value)
    if wanted is not None and wanted not in natural:
        raise InvalidError(
            N_("{value!r} is not a {type} score."),
            hint=N_("Leave the type out to take the value's own."),
            value=value,
            type=str(wanted),
        )
    if wanted is not None:
        return wanted
    return ScoreType.LABEL if isinstance(value, str) else next(iter(natural))


def no_trace(trace_id: str) -> NotFoundError:
    """The error of a trace that is not in the project."""
    return NotFoundError(
        N_("There is no trace {trace_id!r} in this project."),
        hint=N_("It may still be on its way, or belong to another project."),
        reason="tracing.no_trace",
        trace_id=trace_id,
    )


def no_span(span_id: str, trace_id: str) -> NotFoundError:
    """The error of a span that is not in its trace."""
    return NotFoundError(
        N_("There is no span {span_id!r} in trace {trace_id!r}."),
        reason="tracing.no_span",
        span_id=span_id,
        trace_id=trace_id,
    )
