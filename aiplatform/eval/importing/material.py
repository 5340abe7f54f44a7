"""Files that a configuration names with `file://`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from aiplatform.core.i18n import N_

PREFIX: Final = "file://"
_CODE: Final = frozenset({".js", ".cjs", ".mjs", ".ts", ".py", ".rb", ".sh"})

RUNS_CODE: Final = N_("{address} is a program, which is not run here.")
NOT_THERE: Final = N_("{address} cannot be read: {problem}.")

Told = Callable[..., None]


def opened(value: Any, folder: Path, where: str, told: Told) -> Any:
    """A value, or what the file holds that it names: YAML and JSON as data, anything else as text.

    A file that cannot be taken over leaves the value as it is, and is told.
    """
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    file = folder / value.removeprefix(PREFIX)
    if file.suffix in _CODE or file.suffix.split(":")[0] in _CODE:
        told(where, RUNS_CODE, address=value)
        return value
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            return json.loads(text)
        return yaml.safe_load(text) if file.suffix in {".yaml", ".yml"} else text
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        told(where, NOT_THERE, address=value, problem=str(error))
        return value
