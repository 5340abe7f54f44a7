"""Which tool wrote a file, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.importing import openai_evals, promptfoo
from aiplatform.eval.importing.imported import Imported


def import_file(path: Path, *, name: str | None = None) -> Imported:
    """The evaluations that a promptfoo configuration or a registry file of openai/evals holds.

    Args:
        path: The file; files that it names are looked for beside it.
        name: Of openai/evals: which eval; by default all of the file.

    Raises:
        ConfigError: The file cannot be read.
        InvalidError: No known tool wrote it, or it has no such eval.
    """
    document = read_document(path)
    if isinstance(document, Mapping) and promptfoo.is_config(document):
        return promptfoo.imported(document, path.resolve().parent)
    if isinstance(document, Mapping) and openai_evals.is_registry(document):
        return openai_evals.imported(document, path.resolve(), name)
    raise InvalidError(
        N_("{path!r} is neither a promptfoo configuration nor a registry file of openai/evals."),
        hint=N_("The first has `prompts`, `providers` and `tests`, the second names with `class` and `args`."),
        reason="import.unknown",
        path=str(path),
    )


def read_document(path: Path) -> Any:
    """The YAML or JSON in a file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            N_("The file {path!r} cannot be read: {problem}."),
            reason="import.unreadable",
            path=str(path),
            problem=str(error),
        ) from None
