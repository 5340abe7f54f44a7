"""Objects by the name that `module:name` gives them."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_


def load_object(reference: str) -> Any:
    """The object that `module:name` names.

    Raises:
        InvalidError: There is none.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidError(
            N_("{reference!r} cannot be imported: {problem}."),
            hint=N_("Write `module:name`, with the module in the working directory or installed."),
            reason="evaluation.import",
            reference=reference,
            problem=str(error),
        ) from None


def name_of(function: Any) -> str:
    """`module:name` of a function or class, or of the class of anything else."""
    named = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    return f"{getattr(named, '__module__', None) or 'builtins'}:{named.__qualname__}"  # `str.upper` has no module
