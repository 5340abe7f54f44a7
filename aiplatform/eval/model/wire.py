"""The values of evaluation as plain JSON data, and back."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_ADAPTERS: Final[dict[Any, TypeAdapter[Any]]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(value: Any) -> Any:
    """A value of this module as plain JSON data."""
    return _adapter(type(value)).dump_python(value, mode="json")


def from_json(kind: type[T], data: Any) -> T:
    """The value that `to_json` wrote. Unknown fields of later versions are ignored."""
    value: T = _adapter(kind).validate_python(data)
    return value
