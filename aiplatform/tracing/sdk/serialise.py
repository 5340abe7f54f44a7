"""Whatever a function takes and gives, as text that a span can hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

MAX_CHARACTERS: Final = 256_000
MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 1_000
MAX_REPR: Final = 2_000

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""Made once: `json.dumps` makes an encoder for every call that is not plain."""


def as_text(value: Any) -> tuple[str, bool]:
    """The text of a value, and whether it is JSON. It never raises: a value that cannot be written says so."""
    if isinstance(value, str):
        return value[:MAX_CHARACTERS], False
    return as_json(value)[:MAX_CHARACTERS], True


def as_json(value: Any) -> str:
    """A value as JSON; what JSON has no form for becomes text."""
    try:
        return _ENCODE(value)
    except Exception:  # noqa: BLE001 - not plain data: take it apart
        return json.dumps(_plain(value, 0), ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if depth >= MAX_DEPTH:
        return _shown(value)
    try:
        if isinstance(value, Mapping):
            items = list(value.items())[:MAX_ITEMS]
            return {str(key): _plain(item, depth + 1) for key, item in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
        dump = getattr(value, "model_dump", None)
        if callable(dump) and not isinstance(value, type):
            return _plain(dump(), depth + 1)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: _plain(getattr(value, field.name), depth + 1) for field in fields}
    except Exception:  # noqa: BLE001 - a user's object may do anything when it is looked at
        return _shown(value)
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        return repr(value)[:MAX_REPR]
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"
