"""Specifications that people write: YAML files whose top level is named fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.core.i18n import N_


def read_fields(path: Path, *, hint: str, reason: str) -> Mapping[str, Any]:
    """The fields in a YAML file.

    Args:
        path: The file.
        hint: What to do where it holds no fields, from the catalogue.
        reason: Of that error; where the file cannot be read it ends with `_unreadable`.

    Raises:
        ConfigError: The file cannot be read, or is not YAML.
        InvalidError: It holds no fields.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            N_("The specification {path!r} cannot be read: {problem}."),
            hint=N_("Check the path, and that the file is YAML."),
            reason=f"{reason}_unreadable",
            path=str(path),
            problem=str(error),
        ) from None
    if not isinstance(document, Mapping):
        raise InvalidError(N_("The specification {path!r} holds no fields."), hint=hint, reason=reason, path=str(path))
    return document
