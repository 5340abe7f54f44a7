"""promptfoo's templates: Nunjucks, whose common part Jinja reads the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import TemplateError, Undefined, meta
from jinja2.sandbox import SandboxedEnvironment

from aiplatform.core.i18n import N_

UNREADABLE: Final = N_("The template {template!r} cannot be filled: {problem}. It is kept as it is written.")
UNSET: Final = N_("The variable {name!r} is set nowhere; it is empty, as there.")
_MAX_SHOWN: Final = 60


class Templates:
    """Fills variables into texts; what cannot be filled is told.

    Args:
        told: Takes what cannot be taken over.
    """

    def __init__(self, told: Callable[..., None]) -> None:
        self._told = told
        self._environment = SandboxedEnvironment(undefined=Undefined, keep_trailing_newline=True)
        self._environment.filters["dump"] = lambda value: json.dumps(value, ensure_ascii=False)

    def filled(self, value: Any, variables: Mapping[str, Any], where: str) -> Any:
        """A text with its variables filled in; of lists and dictionaries every text in them."""
        if isinstance(value, Mapping):
            return {key: self.filled(each, variables, where) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each, variables, where) for each in value]
        return self._text(value, variables, where) if isinstance(value, str) else value

    def settled(self, variables: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Variables whose texts may name other variables, filled in."""
        return {name: self.filled(value, variables, where) for name, value in variables.items()}

    def _text(self, text: str, variables: Mapping[str, Any], where: str) -> str:
        if "{{" not in text and "{%" not in text:
            return text
        try:
            asked = meta.find_undeclared_variables(self._environment.parse(text))
            for name in sorted(asked - variables.keys()):
                self._told(where, UNSET, name=name)
            return self._environment.from_string(text).render(**variables)
        except TemplateError as error:
            shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
            self._told(where, UNREADABLE, template=shown, problem=str(error))
            return text
