"""From OTLP's `AnyValue` to Python values and back, and through the layers of JSON that emitters wrap around them."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

MAX_DEPTH: Final = 32
MAX_MADE_DEPTH: Final = 16
"""Levels of a value that is written anew: readers of protobuf's JSON stop at 100 messages in each other, 3 a level."""

MAX_COUNT: Final = 2**53
JSON_STARTS: Final = frozenset('{["')
_ESCAPES: Final = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[0-9a-fA-F]{4}")
_HALVES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.", re.DOTALL
)
"""Whole pairs first, then halves, then every other escape, so that an escaped backslash is not the start of one."""


def any_value(value: AnyValue, depth: int = 0) -> Any:
    """The Python value; bytes as base64 text, and what is nested deeper than 32 levels as None."""
    which = value.WhichOneof("value")
    if which == "string_value":
        return value.string_value
    if which is None or depth > MAX_DEPTH:
        return None
    if which == "array_value":
        return [any_value(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        return {item.key: any_value(item.value, depth + 1) for item in value.kvlist_value.values}
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    if which == "double_value":
        number = value.double_value
        # JSON has no words for these three, and neither has a browser: they are shown as text.
        return number if math.isfinite(number) else str(number)
    return getattr(value, which)


def any_value_of(value: Any, depth: int = 0) -> AnyValue:
    """OTLP's form of a value as JSON knows it; what is nested deeper than 16 levels as JSON text."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int() if -(2**63) <= value < 2**63:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case dict() | list() if depth >= MAX_MADE_DEPTH:
            return AnyValue(string_value=json.dumps(value, ensure_ascii=False, default=str))
        case dict():
            pairs = [KeyValue(key=str(key), value=any_value_of(item, depth + 1)) for key, item in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=[any_value_of(item, depth + 1) for item in value]))
        case _:
            return AnyValue(string_value=str(value))


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by name; of a name that occurs twice the first one counts, as OTLP leaves open."""
    found: dict[str, Any] = {}
    for pair in pairs:
        if pair.key not in found:
            found[pair.key] = any_value(pair.value)
    return found


def unwrapped(value: Any) -> Any:
    """A value taken out of JSON text, where it is such text, twice if it was encoded twice.

    Text that only looks like JSON, or was cut off in the middle by a length limit, stays as it is: whoever cut it left
    what there is to see.
    """
    for _ in range(2):
        if not isinstance(value, str):
            return value
        decoded = _decoded(value)
        if decoded is value:
            return value
        value = decoded
    return value


def _decoded(text: str) -> Any:
    stripped = text.strip()
    if not stripped or stripped[0] not in JSON_STARTS:
        return text
    try:
        return json_value(stripped)
    except (ValueError, RecursionError):
        return text


def json_value(text: str, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of JSON text; half of a surrogate pair, which no database can hold, becomes U+FFFD.

    Args:
        text: JSON.
        pairs: What makes an object of its pairs; by default a dictionary of the last of each key.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    if "\\ud" in text or "\\uD" in text:
        text = _HALVES.sub(_made_whole, text)
    return json.loads(text, object_pairs_hook=pairs)


def _made_whole(escape: re.Match[str]) -> str:
    found = escape.group()
    return "\\ufffd" if len(found) == 6 else found


def plain_text(value: Any) -> str:
    """A value as a person reads it: text as text, everything else as JSON with its characters decoded."""
    if value is None:
        return ""
    if isinstance(value, str):
        return readable(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def readable(text: str) -> str:
    r"""Text in which `\uXXXX` of JSON that was cut off, or stands inside other text, is decoded."""
    if "\\u" not in text:
        return text
    decoded = unwrapped(text)
    if not isinstance(decoded, str):
        return json.dumps(decoded, ensure_ascii=False)
    return _ESCAPES.sub(_unescape, decoded)


def number_or_none(value: Any) -> float | None:
    """A finite number, also where it was sent as text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def count_or_none(value: Any) -> int | None:
    """A count of tokens: a whole number from 0 to 2^53, also where it was sent as text; None for anything else."""
    if value is None:
        return None
    number = number_or_none(value)
    if number is None or not 0 <= number <= MAX_COUNT:
        return None
    return int(number)


def _unescape(match: re.Match[str]) -> str:
    try:
        text: str = json.loads(f'"{match.group()}"')
        text.encode()
    except ValueError:
        return match.group()
    return text
