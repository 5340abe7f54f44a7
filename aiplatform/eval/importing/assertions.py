"""promptfoo's assertions as checks that rows bring along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiplatform.core.i18n import N_

KINDS: Final = {
    "equals": "equals",
    "contains": "contains",
    "icontains": "icontains",
    "contains-all": "contains_all",
    "contains-any": "contains_any",
    "icontains-all": "icontains_all",
    "icontains-any": "icontains_any",
    "starts-with": "starts_with",
    "regex": "regex",
    "is-json": "is_json",
    "contains-json": "contains_json",
    "latency": "latency",
    "cost": "cost",
    "levenshtein": "levenshtein",
    "word-count": "word_count",
    "is-refusal": "is_refusal",
}
"""promptfoo's type -> our kind of check."""

_CODE: Final = frozenset({"javascript", "python", "ruby", "webhook"})
_JUDGED: Final = frozenset({
    "llm-rubric", "factuality", "g-eval", "model-graded-closedqa", "answer-relevance", "context-faithfulness",
    "context-recall", "context-relevance", "conversation-relevance", "pi", "select-best", "similar", "classifier",
    "moderation", "search-rubric",
})  # fmt: skip
_TAKEN: Final = frozenset({"type", "value", "threshold", "weight", "assert"})
_HARMLESS: Final = frozenset({"metric"})
"""What only names the assertion in promptfoo's own tables."""

CODE: Final = N_("{kind} runs code of the configuration, which is not done here: write a scorer instead.")
JUDGED: Final = N_("{kind} asks a model: add a judge to `scorers` for it. What it asks is in the column `rubrics`.")
UNKNOWN: Final = N_("The assertion {kind} has no counterpart here.")
OPTION: Final = N_("The assertion's {name!r} is not taken over.")
CODE_VALUE: Final = N_("{kind} compares with what a program says, which is not done here: write a scorer instead.")

Told = Callable[..., None]
"""Takes what cannot be taken over: its place, the text, the text's fields."""


def check_of(
    assertion: Mapping[str, Any], where: str, filled: Callable[[Any], Any], told: Told
) -> dict[str, Any] | None:
    """A row's check for one assertion; None where there is none, which is told.

    Args:
        assertion: As promptfoo writes it.
        where: Its place in the configuration.
        filled: Fills variables into a text, also inside lists and dictionaries.
        told: Takes what cannot be taken over.
    """
    written = str(assertion.get("type", ""))
    negated = written.startswith("not-")
    kind = written.removeprefix("not-")
    for name in assertion:
        if name not in _TAKEN | _HARMLESS:
            told(where, OPTION, name=name)
    if kind == "assert-set":
        return _set(assertion, where, filled, told)
    if kind in _CODE:
        told(where, CODE, kind=written)
        return None
    if kind in _JUDGED:
        told(where, JUDGED, kind=written)
        return None
    if kind not in KINDS:
        told(where, UNKNOWN, kind=written)
        return None
    value = assertion.get("value")
    if isinstance(value, str) and value.startswith("file://") and value.partition(":")[0] and _is_code(value):
        told(where, CODE_VALUE, kind=written)
        return None
    check: dict[str, Any] = {"kind": KINDS[kind]}
    if value is not None:
        check["value"] = filled(value)
    if assertion.get("threshold") is not None:
        check["threshold"] = float(assertion["threshold"])
    if assertion.get("weight") is not None:
        check["weight"] = float(assertion["weight"])
    if negated:
        check["negated"] = True
    return check


def rubric_of(assertion: Mapping[str, Any], filled: Callable[[Any], Any]) -> dict[str, Any] | None:
    """What an assertion asks a judge; None where it asks none."""
    kind = str(assertion.get("type", "")).removeprefix("not-")
    if kind not in _JUDGED:
        return None
    kept = {name: filled(assertion[name]) for name in ("value", "threshold", "provider") if name in assertion}
    return {"kind": str(assertion["type"]), **kept}


def _set(assertion: Mapping[str, Any], where: str, filled: Callable[[Any], Any], told: Told) -> dict[str, Any] | None:
    inner = [
        check_of(each, f"{where}.assert[{place}]", filled, told)
        for place, each in enumerate(assertion.get("assert") or ())
    ]
    kept = [each for each in inner if each is not None]
    if not kept:
        return None
    check: dict[str, Any] = {"kind": "set", "value": kept}
    for name in ("threshold", "weight"):
        if assertion.get(name) is not None:
            check[name] = float(assertion[name])
    return check


def _is_code(address: str) -> bool:
    return address.partition(":")[2].split(":")[0].endswith((".js", ".cjs", ".mjs", ".ts", ".py", ".rb"))
