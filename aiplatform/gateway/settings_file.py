"""Hands the settings to control-plane processes by a file that only its owner can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from aiplatform import __version__
from aiplatform.core.settings import Settings
from aiplatform.runtime.state import write_private


def write_settings(file: Path, settings: Settings) -> Path:
    """Write every setting, secrets included, and return the file."""
    write_private(file, to_toml(settings))
    return file


def fingerprint(settings: Settings) -> str:
    """Changes when a setting or the platform's version does."""
    return hashlib.sha256(f"{__version__}\n{to_toml(settings)}".encode()).hexdigest()[:16]


def to_toml(settings: Settings) -> str:
    """The settings as TOML; values that are None are left out."""
    plain = _plain(settings)
    lines = [f"{name} = {_value(value)}" for name, value in plain.items() if not isinstance(value, Mapping)]
    for name, section in plain.items():
        if isinstance(section, Mapping) and section:
            lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _plain(model: BaseModel) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if value is None:
            continue
        plain[name] = _plain(value) if isinstance(value, BaseModel) else value
    return plain


def _value(value: Any) -> str:
    if isinstance(value, SecretStr):
        return _string(value.get_secret_value())
    if isinstance(value, tuple | list):
        return f"[{', '.join(_value(one) for one in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return _string(str(value))


def _string(text: str) -> str:
    # TOML's basic strings are JSON's, but for surrogate pairs, which it does not know, and the one control character
    # that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
