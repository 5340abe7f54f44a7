"""Objects by the name that `module:name` gives them."""

from __future__ import annotations

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
