"""The user's training loop, found by its name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

Loop = Callable[[dict[str, Any]], Any]


def check_entrypoint(entrypoint: str) -> None:
    """Nothing, where the module or file is there; it is not imported.

    Raises:
        InvalidError: It is not.
    """
    name, _, _ = entrypoint.rpartition(":")
    try:
        is_there = _file(name) is not None if name.endswith(".py") else importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        is_there = False
    if not is_there:
        raise InvalidError(
            N_("There is no {name!r} in the working directory, nor is it installed."),
            hint=N_("Submit the folder that holds it: `--working-dir`, or `working_dir=` in Python."),
            reason="train.entrypoint",
            name=name,
        )


def load_entrypoint(entrypoint: str) -> Loop:
    """The function that `module:function` or `file.py:function` names; files are sought where modules are.

    Raises:
        ModuleNotFoundError: There is no such module or file.
        AttributeError: It has no such function.
    """
    name, _, function = entrypoint.rpartition(":")
    if not name.endswith(".py"):
        module = importlib.import_module(name)
    else:
        file = _file(name)
        found = importlib.util.spec_from_file_location(Path(name).stem, file) if file is not None else None
        if found is None or found.loader is None:
            raise ModuleNotFoundError(f"No file {name!r} in the working directory.")
        module = importlib.util.module_from_spec(found)
        sys.modules[found.name] = module
        found.loader.exec_module(module)
    loop: Loop = getattr(module, function)
    return loop


def _file(name: str) -> Path | None:
    """The file, below the first folder of the import path that has it: Ray Train's workers stand in another folder."""
    candidates = (Path(folder or ".") / name for folder in [".", *sys.path])
    return next((candidate for candidate in candidates if candidate.is_file()), None)
