"""Checks that a row brings along: "contains Paris", "is JSON", "in under two seconds", as other tools write them.

A row's column `checks` lists them: `{"kind": "contains", "value": "Paris", "negated": false, "weight": 1}`. The scorer
`checks` tells whether a row passes all of its own; `check/contains` looks at those of one kind, and does not apply to
rows without any.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.scorers import Row, Score, Scorer

COLUMN: Final = "checks"
ALL: Final = "checks"
_ONE: Final = "check/"
_REFUSALS: Final = (
    "i cannot", "i can't", "i can not", "i'm sorry", "i am sorry", "i'm unable", "i am unable", "as an ai",
    "i won't", "i will not be able", "i'm not able", "i am not able",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """What one check says."""

    passed: bool
    reason: str = ""
    score: float | None = None
    """Between 0 and 1, where the check measures; by default 1 or 0."""

    @property
    def value(self) -> float:
        """What counts towards a weighted sum."""
        return float(self.passed) if self.score is None else self.score


Check = Callable[[Row, Mapping[str, Any]], Found]


def named(name: str) -> Scorer | None:
    """The scorer `checks`, or `check/<kind>`; None for any other name.

    Raises:
        InvalidError: There is no such kind.
    """
    if name == ALL:
        return Scorer(function=_all, name=ALL, version="1")
    if not name.startswith(_ONE):
        return None
    kind = name.removeprefix(_ONE)
    if kind not in CHECKS:
        raise InvalidError(
            N_("There is no check of kind {kind!r}."),
            hint=N_("There are {known}."),
            reason="check.unknown",
            kind=kind,
            known=", ".join(CHECKS),
        )
    return Scorer(function=_OfKind(kind), name=name, version="1", parameters={"kind": kind})


def name_of(kind: str) -> str:
    """The scorer's name for a kind of check."""
    return f"{_ONE}{kind}"


def _all(row: Row) -> Score:
    """Whether the row passes: all of its checks, or enough of their weight where it says how much is enough."""
    wanted = _of(row)
    if not wanted:
        return Score(None, "the row brings no checks")
    found = [(check, _checked(row, check)) for check in wanted]
    weights = [float(check.get("weight", 1)) for check, _ in found]
    total = sum(weights)
    achieved = sum(weight * each.value for weight, (_, each) in zip(weights, found, strict=True))
    score = achieved / total if total else 1.0
    wrong = [(check, each) for check, each in found if not each.passed and check.get("weight", 1) != 0]
    threshold = row.columns.get("checks_threshold")
    passed = score >= float(threshold) if threshold is not None else not wrong
    reason = "" if passed else "; ".join(f"{check['kind']}: {each.reason}" for check, each in wrong)
    return Score(passed, reason, metadata={"score": round(score, 6), "failed": [check["kind"] for check, _ in wrong]})


@dataclass(frozen=True, slots=True)
class _OfKind:
    kind: str

    def __call__(self, row: Row) -> Score:
        found = [_checked(row, check) for check in _of(row) if check["kind"] == self.kind]
        if not found:
            return Score(None, "the row brings no such check")
        wrong = [each.reason for each in found if not each.passed]
        return Score(not wrong, "; ".join(wrong))


def _of(row: Row) -> Sequence[Mapping[str, Any]]:
    checks = row.columns.get(COLUMN)
    if isinstance(checks, str):  # of a column of a Parquet or CSV file
        checks = json.loads(checks)
    return checks or ()


def _checked(row: Row, check: Mapping[str, Any]) -> Found:
    kind = check["kind"]
    if kind == "set":
        return _set(row, check)
    if kind not in CHECKS:
        raise ValueError(f"there is no check of kind {kind!r}")
    found = CHECKS[kind](row, check)
    if not check.get("negated"):
        return found
    score = None if found.score is None else 1 - found.score
    return Found(not found.passed, f"negated: {found.reason or 'it holds'}", score)


def _set(row: Row, check: Mapping[str, Any]) -> Found:
    """Several checks as one, passed by all of them or by enough of their weight."""
    found = [(float(each.get("weight", 1)), _checked(row, each)) for each in check["value"]]
    total = sum(weight for weight, _ in found)
    score = sum(weight * each.value for weight, each in found) / total if total else 1.0
    threshold = check.get("threshold")
    passed = score >= threshold if threshold is not None else all(each.passed for weight, each in found if weight)
    return Found(passed, "; ".join(each.reason for _, each in found if not each.passed), score)


def text_of(output: Any) -> str:
    """An output as the text that checks look at."""
    if isinstance(output, Mapping) and "answer" in output:
        output = output["answer"]
    return output if isinstance(output, str) else "" if output is None else json.dumps(output, ensure_ascii=False)


def _equals(row: Row, check: Mapping[str, Any]) -> Found:
    text, value = text_of(row.output), check.get("value")
    if not isinstance(value, str):
        found = _json(text)
        return Found(found is not _NONE and found == value, f"is not {_short(value)}")
    return Found(text.strip() == value.strip(), f"is not {_short(value)}")


def _containing(fold: bool, every: bool) -> Check:
    def check_contains(row: Row, check: Mapping[str, Any]) -> Found:
        given = check.get("value")
        if isinstance(given, str) and check["kind"].endswith(("_all", "_any")):
            given = [part.strip() for part in given.split(",")]
        values = [str(each) for each in (given if isinstance(given, list) else [given])]
        text = text_of(row.output)
        if fold:
            text, values = text.casefold(), [value.casefold() for value in values]
        missing = [value for value in values if value not in text]
        passed = not missing if every else len(missing) < len(values)
        return Found(passed, f"holds no {', '.join(map(_short, missing))}")

    return check_contains


def _starts_with(row: Row, check: Mapping[str, Any]) -> Found:
    return Found(text_of(row.output).startswith(str(check["value"])), f"does not begin with {_short(check['value'])}")


def _regex(row: Row, check: Mapping[str, Any]) -> Found:
    found = re.search(str(check["value"]), text_of(row.output))
    return Found(found is not None, f"matches no {_short(check['value'])}")


def _is_json(row: Row, check: Mapping[str, Any]) -> Found:
    found = _json(text_of(row.output))
    return _fits(found, check.get("value")) if found is not _NONE else Found(False, "is no JSON")


def _contains_json(row: Row, check: Mapping[str, Any]) -> Found:
    text = text_of(row.output)
    decoder = json.JSONDecoder()
    last = Found(False, "holds no JSON")
    for match in re.finditer(r"[{\[]", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except ValueError:
            continue
        last = _fits(value, check.get("value"))
        if last.passed:
            return last
    return last


def _latency(row: Row, check: Mapping[str, Any]) -> Found:
    if row.latency_ms is None:
        raise ValueError("the call was not timed")
    return Found(row.latency_ms <= float(check["threshold"]), f"took {row.latency_ms:.0f} ms")


def _cost(row: Row, check: Mapping[str, Any]) -> Found:
    cost = row.columns.get("cost")
    if cost is None and isinstance(row.output, Mapping):
        cost = row.output.get("cost")
    if cost is None:
        raise ValueError("the cost of the call is not known")
    return Found(float(cost) <= float(check["threshold"]), f"cost {cost}")


def _levenshtein(row: Row, check: Mapping[str, Any]) -> Found:
    distance = edit_distance(text_of(row.output), str(check["value"]))
    return Found(distance <= float(check.get("threshold", 5)), f"is {distance} edits away")


def _word_count(row: Row, check: Mapping[str, Any]) -> Found:
    value, count = check["value"], len(text_of(row.output).split())
    bounds = value if isinstance(value, Mapping) else {"min": value, "max": value}
    passed = float(bounds.get("min", 0)) <= count <= float(bounds.get("max", float("inf")))
    return Found(passed, f"has {count} words")


def _is_refusal(row: Row, _: Mapping[str, Any]) -> Found:
    text = text_of(row.output).strip().casefold().replace("\u2019", "'")
    return Found(not text or any(phrase in text for phrase in _REFUSALS), "refuses nothing")


def _match(row: Row, check: Mapping[str, Any]) -> Found:
    """openai/evals `Match`: the answer begins with one of the ideals."""
    return Found(any(text_of(row.output).startswith(ideal) for ideal in _ideals(check)), "begins with no ideal")


def _includes(row: Row, check: Mapping[str, Any]) -> Found:
    """openai/evals `Includes`."""
    text, ideals = text_of(row.output), _ideals(check)
    if check.get("ignore_case"):
        text, ideals = text.lower(), [ideal.lower() for ideal in ideals]
    return Found(any(ideal in text for ideal in ideals), "holds no ideal")


def _fuzzy_match(row: Row, check: Mapping[str, Any]) -> Found:
    """openai/evals `FuzzyMatch`: one holds the other, but for case, articles and punctuation."""
    text = _squad(text_of(row.output))
    ideals = [_squad(ideal) for ideal in _ideals(check)]
    # As there, an empty text matches nothing but an empty one.
    return Found(any(a == b if not (a and b) else a in b or b in a for a in [text] for b in ideals), "fits no ideal")


def _json_match(row: Row, check: Mapping[str, Any]) -> Found:
    """openai/evals `JsonMatch`: the same JSON as one of the ideals, whatever its spaces and the order of its keys."""
    found = _json(text_of(row.output))
    if found is _NONE:
        return Found(False, "is no JSON")
    return Found(any(_json(ideal) == found for ideal in _ideals(check)), "is the JSON of no ideal")


CHECKS: Final[dict[str, Check]] = {
    "equals": _equals,
    "contains": _containing(fold=False, every=True),
    "icontains": _containing(fold=True, every=True),
    "contains_all": _containing(fold=False, every=True),
    "contains_any": _containing(fold=False, every=False),
    "icontains_all": _containing(fold=True, every=True),
    "icontains_any": _containing(fold=True, every=False),
    "starts_with": _starts_with,
    "regex": _regex,
    "is_json": _is_json,
    "contains_json": _contains_json,
    "latency": _latency,
    "cost": _cost,
    "levenshtein": _levenshtein,
    "word_count": _word_count,
    "is_refusal": _is_refusal,
    "match": _match,
    "includes": _includes,
    "fuzzy_match": _fuzzy_match,
    "json_match": _json_match,
}
_NONE: Final = object()


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's distance in characters."""
    before = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        now = [row]
        for column, against in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (character != against)))
        before = now
    return before[-1]


def _fits(value: Any, schema: Any) -> Found:
    if not schema:
        return Found(True)
    import jsonschema  # noqa: PLC0415 - only for such checks

    problem = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    return Found(problem is None, problem.message if problem is not None else "")


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return _NONE


def _ideals(check: Mapping[str, Any]) -> list[str]:
    value = check["value"]
    listed = value if isinstance(value, list) else [value]
    return [each if isinstance(each, str) else json.dumps(each) for each in listed]


def _squad(text: str) -> str:
    lowered = "".join(each for each in text.lower() if each not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lowered).split())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
