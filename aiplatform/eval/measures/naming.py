"""How metrics are named: `f1_macro`, `precision@5`, `bleu(tokenize='zh')`, or `Metric("f1", average="macro")`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

_NAME: Final = re.compile(r"(?P<base>[A-Za-z][A-Za-z0-9_+]*)(?:@(?P<at>[^()\s]+))?(?:\((?P<given>.*)\))?", re.DOTALL)
MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that a caller asks for: its name, and what it is called with."""

    base: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    alias: str = ""
    """What its numbers are called; by default how it would be written."""

    @property
    def name(self) -> str:
        """How it is written, or its own name."""
        if self.alias:
            return self.alias
        given = ", ".join(f"{key}={value!r}" for key, value in sorted(self.parameters.items()))
        return f"{self.base}({given})" if given else self.base


def metric(name: str, /, *, alias: str = "", **parameters: Any) -> Metric:
    """A metric by its name, with parameters: `metric("f1", average="macro")`.

    Args:
        name: As in a specification; `@k` and parentheses may stand in it too.
        alias: What its numbers are called.
        parameters: What it is called with; `expected` and `output` say which columns it reads.

    Raises:
        InvalidError: It cannot be read.
    """
    found = parsed(name)
    return Metric(found.base, {**found.parameters, **parameters}, alias or ("" if parameters else found.alias))


def parsed(text: str) -> Metric:
    """The metric that a text writes.

    Raises:
        InvalidError: It cannot be read.
    """
    match = _NAME.fullmatch(text.strip())
    if match is None or len(text) > MAX_NAME:
        raise _unreadable(text)
    parameters = _given(text, match["given"]) if match["given"] else {}
    if at := match["at"]:
        parameters["k" if at.isdigit() else "label"] = int(at) if at.isdigit() else at
    return Metric(match["base"], parameters, text.strip() if parameters else "")


def _given(text: str, given: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"metric({given})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise _unreadable(text)
        return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords if each.arg}
    except (SyntaxError, ValueError):
        raise _unreadable(text) from None


def _unreadable(text: str) -> InvalidError:
    return InvalidError(
        N_("{text!r} names no metric."),
        hint=N_("Write `f1_macro`, `recall@10`, or `bleu(tokenize='zh')`."),
        reason="metric.name",
        text=text[:MAX_NAME],
    )
