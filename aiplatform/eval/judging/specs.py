"""Judges written down: `{judge: correctness, model: large, url: …}`, as specification files and online rules do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging.builtin import (
    ContextPrecision,
    ContextRecall,
    Correctness,
    Groundedness,
    Relevance,
    Rubric,
)
from aiplatform.eval.judging.cascade import KIND as CASCADE
from aiplatform.eval.judging.cascade import Cascade
from aiplatform.eval.judging.judge import Judge
from aiplatform.eval.judging.pairwise import Pairwise

JUDGE: Final = "judge"
"""The field that says which kind is meant."""

KINDS: Final[Mapping[str, type[Judge]]] = {
    kind.KIND: kind
    for kind in (Correctness, Relevance, Groundedness, ContextPrecision, ContextRecall, Rubric, Pairwise)
}


def judge_of(written: Mapping[str, Any]) -> Judge | Cascade:
    """The judge that a mapping writes down.

    Raises:
        InvalidError: The kind is unknown, or a field is unknown or wrong; the message names it.
    """
    given = dict(written)
    kind = str(given.pop(JUDGE, ""))
    if kind == CASCADE:
        return _cascade(given)
    if kind not in KINDS:
        raise InvalidError(
            N_("There is no judge {kind!r}."),
            hint=N_("There are {known}."),
            reason="judge.unknown_kind",
            kind=kind,
            known=", ".join([*KINDS, CASCADE]),
        )
    made: Judge = _made(KINDS[kind], given, kind)
    return made


def _cascade(given: dict[str, Any]) -> Cascade:
    cheap, dear = (judge_of(given.pop(name, None) or {}) for name in ("cheap", "dear"))
    return _made(Cascade, {**given, "cheap": cheap, "dear": dear}, CASCADE)  # type: ignore[no-any-return]


def _made(kind: Any, given: Mapping[str, Any], name: str) -> Any:
    known = {field.name: field.type for field in fields(kind) if field.name != "others"}
    unknown = next((field for field in given if field not in known), None)
    if unknown is not None:
        raise InvalidError(
            N_("The judge {judge!r} has no field {field!r}."),
            hint=N_("It has {known}."),
            reason="judge.field",
            judge=name,
            field=unknown,
            known=", ".join(known),
        )
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(
            N_("The judge {judge!r} is wrong at {field!r}: {problem}."),
            reason="judge.field",
            judge=name,
            field=".".join(str(part) for part in first["loc"]),
            problem=first["msg"],
        ) from None
