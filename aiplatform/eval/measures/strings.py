"""Scores of one text against what is expected: matches, edit rates, numbers, JSON. One function a row."""

from __future__ import annotations

import json
import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
from rapidfuzz.distance import Levenshtein

from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED, Block, as_text
from aiplatform.eval.measures.exactly import Means
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, RowValues
from aiplatform.eval.measures.translation import references_of
from aiplatform.eval.statistics.exact import Floats

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
_PUNCTUATION: Final = frozenset(string.punctuation)

RowFunction = Callable[[Any, Any], float | None]
"""From what is expected and what came to a score; None where it does not apply. What it raises is a failed score."""


@dataclass(frozen=True, slots=True)
class RowCollector:
    """The mean of a function of each row's expectation and output."""

    function: RowFunction
    key: tuple[Any, ...]
    """Says which function it is: equal keys share one state."""

    expected: str = EXPECTED
    output: str = OUTPUT
    needs_expected: bool = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowCollector) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[Any, ...]:
        return (*self.key, self.expected, self.output)

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.expected, self.output) if self.needs_expected else (self.output,)

    def row_values(self, block: Block) -> RowValues:
        """One number a row, and each row's fate."""
        values = np.full(block.num_rows, np.nan)
        states = np.full(block.num_rows, SCORED, dtype=np.int8)
        pairs = zip(block.column(self.expected).values, block.column(self.output).values, strict=True)
        for place, (expected, output) in enumerate(pairs):
            if expected is None and self.needs_expected:
                states[place] = NOT_APPLICABLE
            elif output is None:
                states[place] = FAILED
            else:
                states[place] = self._scored(values, place, expected, output)
        return values, states

    def collect(self, block: Block) -> Means:
        """The moments of one block."""
        return Means.of(*self.row_values(block), block)

    def _scored(self, values: Floats, place: int, expected: Any, output: Any) -> int:
        try:
            value = self.function(expected, output)
        except (ValueError, TypeError, KeyError, AttributeError):
            return FAILED
        if value is None:
            return NOT_APPLICABLE
        values[place] = value
        return SCORED if math.isfinite(value) else FAILED


def exact_match(expected: Any, output: Any) -> float:
    """1 where the output is one of the references, but for case, width and spaces."""
    came = _plain(_required(output))
    return float(any(came == _plain(reference) for reference in _references(expected)))


def strict_match(expected: Any, output: Any) -> float:
    """1 where the output is one of the references, as it is."""
    came = _required(output)
    return float(any(came == reference for reference in _references(expected)))


def squad_match(expected: Any, output: Any) -> float:
    """SQuAD's exact match: without case, punctuation, articles and further spaces."""
    came = squad_text(_required(output))
    return float(any(came == squad_text(reference) for reference in _references(expected)))


def squad_f1(expected: Any, output: Any) -> float:
    """SQuAD's F1 of tokens, that of the best reference."""
    came = squad_text(_required(output)).split()
    return max(_token_f1(squad_text(reference).split(), came) for reference in _references(expected))


def squad_text(text: str) -> str:
    """Text as SQuAD's script has it.

    Source:
        The official evaluation script of SQuAD 1.1, `normalize_answer`.
    """
    kept = "".join(each for each in text.lower() if each not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def numeric_match(*, absolute: float, relative: float) -> RowFunction:
    """1 where the last number of the output is the expected one, within a tolerance."""

    def score(expected: Any, output: Any) -> float:
        wanted = [number_in(reference) for reference in _references(expected)]
        known = [number for number in wanted if number is not None]
        if not known:
            raise ValueError("no number is expected")
        came = number_in(_required(output))
        if came is None:
            return 0.0
        return float(any(math.isclose(came, each, rel_tol=relative, abs_tol=absolute) for each in known))

    return score


def number_in(text: str) -> float | None:
    """The last number of a text, thousands in commas and per cent understood; None where there is none."""
    plain = unicodedata.normalize("NFKC", text)
    for found in reversed(_NUMBER.findall(plain)):
        digits = found.rstrip("%").replace(",", "")
        try:
            number = float(Decimal(digits))
        except InvalidOperation:
            continue
        return number / 100 if found.endswith("%") else number
    return None


def json_valid(expected: Any, output: Any) -> float:
    """1 where the output is JSON."""
    try:
        _parsed(output)
    except ValueError:
        return 0.0
    return 1.0


def json_equal(expected: Any, output: Any) -> float:
    """1 where output and expectation are the same JSON, whatever the order of keys."""
    wanted = _parsed(expected)
    try:
        return float(_same(_parsed(output), wanted))
    except ValueError:
        return 0.0


def json_schema(schema: Mapping[str, Any]) -> RowFunction:
    """1 where the output is JSON that a schema allows."""
    from jsonschema.validators import validator_for  # noqa: PLC0415 - only where asked for

    validator = validator_for(schema)(schema)

    def score(expected: Any, output: Any) -> float:
        try:
            return float(validator.is_valid(_parsed(output)))
        except ValueError:
            return 0.0

    return score


def edits(left: Sequence[str], right: Sequence[str]) -> int:
    """Levenshtein's distance."""
    return int(Levenshtein.distance(left, right))


def _token_f1(wanted: list[str], came: list[str]) -> float:
    same = sum((Counter(came) & Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = 1.0 * same / len(came), 1.0 * same / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _references(expected: Any) -> list[str]:
    found = references_of(expected)
    if found is None:
        raise ValueError("nothing is expected")
    return found


def _required(output: Any) -> str:
    text = as_text(output)
    if text is None:
        raise ValueError("the output holds no text")
    return text


def _parsed(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"answer"}:
        value = value["answer"]
    return json.loads(value, parse_constant=_refused) if isinstance(value, str) else value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1, but 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
