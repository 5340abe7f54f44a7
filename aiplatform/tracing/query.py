"""The search line: words, and `field:value` pairs that narrow. The full language grows from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.model import SpanKind, Status, TraceFilter

_TOKEN: Final = re.compile(r'([A-Za-z_]+):(?:"([^"]*)"|(\S+))|"[^"]*"|\S+')
_DURATION: Final = re.compile(r">?=?(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)?")
_UNITS_NS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, None: 10**9}


def _status(value: str) -> Status:
    return Status(value.lower())


def _kind(value: str) -> SpanKind:
    return SpanKind(value.lower())


def _boolean(value: str) -> bool:
    return {"true": True, "yes": True, "false": False, "no": False}[value.lower()]


def _duration(value: str) -> int:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(value)
    return int(float(match[1]) * _UNITS_NS[match[2]])


FIELDS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "trace_id": ("trace_id", lambda value: value.lower().removeprefix("tr-").replace("-", "")),
    "name": ("name", str),
    "status": ("status", _status),
    "kind": ("kind", _kind),
    "model": ("model", str),
    "service": ("service", str),
    "session": ("session_id", str),
    "user": ("user_id", str),
    "errors": ("has_errors", _boolean),
    "duration": ("min_duration_ns", _duration),
}
"""Name in the line -> field of the filter, and how its value is read. `duration:2s` means at least two seconds."""


def read_filter(line: str, base: TraceFilter | None = None) -> TraceFilter:
    """The filter that a search line means: pairs narrow, what is left is text to be found.

    A colon after a word that is no field (`http://…`, `12:30`) is text like any other.

    Args:
        line: What was typed.
        base: A filter that the line narrows further.

    Raises:
        InvalidError: A field has a value that it cannot have, or is all but certainly misspelt.
    """
    found: dict[str, Any] = {}
    words: list[str] = []
    for match in _TOKEN.finditer(line):
        name = (match[1] or "").lower()
        value = match[2] if match[2] is not None else match[3]
        if name in FIELDS:
            field, read = FIELDS[name]
            found[field] = _read(read, name, value, match.start())
        elif name and not value.startswith("//") and get_close_matches(name, FIELDS, n=1, cutoff=0.75):
            raise _unknown_field(name, match.start())
        else:
            words.append(match[0])
    if words:
        found["text"] = " ".join(words)
    return replace(base or TraceFilter(), **found)


def _read(read: Callable[[str], Any], name: str, value: str, at: int) -> Any:
    try:
        return read(value)
    except (ValueError, KeyError):
        raise InvalidError(
            N_("{value!r} is no value of {name!r} (column {column})."),
            hint=N_("For example status:error, kind:llm, errors:yes, duration:2s."),
            reason="query.value",
            name=name,
            value=value,
            column=at + 1,
        ) from None


def _unknown_field(name: str, at: int) -> InvalidError:
    return InvalidError(
        N_("There is no field {name!r} (column {column}). Did you mean {near!r}?"),
        hint=N_("Put the words in double quotes to look for them as text."),
        reason="query.unknown_field",
        name=name,
        column=at + 1,
        near=get_close_matches(name, FIELDS, n=1, cutoff=0.75)[0],
    )
