"""The forms that verdicts come in: the schema a judge answers by, and how its answer is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiplatform.eval.judging.replies import UnreadableError

CONFIDENCE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge says of one row."""

    value: float
    label: str = ""
    """The word it chose, where it chooses among words."""

    reason: str = ""
    confidence: float | None = None
    """How sure it is, from 0 to 1; None where nothing is known."""

    details: Mapping[str, Any] = field(default_factory=dict)


class Form(Protocol):
    """How a verdict is asked for and read."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        ...

    @property
    def is_binary(self) -> bool:
        """Whether its values are 0 and 1 alone, so that they make a proportion."""
        ...

    def read(self, answer: Mapping[str, Any], num_passages: int) -> Verdict:
        """The verdict.

        Raises:
            UnreadableError: The answer is not as the schema says.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelForm:
    """One of several labels, each worth a value."""

    labels: Mapping[str, float]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer; the reason comes first, so that it is thought before it is decided."""
        return _object(reason={"type": "string"}, label={"type": "string", "enum": [*self.labels]})

    @property
    def is_binary(self) -> bool:
        """Whether the values are 0 and 1 alone."""
        return set(self.labels.values()) <= {0.0, 1.0}

    def read(self, answer: Mapping[str, Any], num_passages: int) -> Verdict:
        """The label, but for case and spaces around it."""
        given = str(answer.get("label", "")).strip().casefold()
        label = next((each for each in self.labels if each.casefold() == given), None)
        if label is None:
            raise UnreadableError(f'"label" must be one of {", ".join(self.labels)}')
        return Verdict(
            value=float(self.labels[label]), label=label, reason=_reason(answer), confidence=_confidence(answer)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleForm:
    """A whole number of a scale."""

    low: int
    high: int

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        return _object(reason={"type": "string"}, score={"type": "integer", "minimum": self.low, "maximum": self.high})

    @property
    def is_binary(self) -> bool:
        """Whether the scale is 0 and 1."""
        return (self.low, self.high) == (0, 1)

    def read(self, answer: Mapping[str, Any], num_passages: int) -> Verdict:
        """The number, whole and on the scale."""
        score = _number(answer.get("score"))
        if score is None or not self.low <= score <= self.high or score != int(score):
            raise UnreadableError(f'"score" must be a whole number from {self.low} to {self.high}')
        return Verdict(value=score, label=str(int(score)), reason=_reason(answer), confidence=_confidence(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsForm:
    """Claims, each supported or not; the value is the share that is. No claims at all is nothing to be wrong: 1."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        claim = _object(claim={"type": "string"}, reason={"type": "string"}, supported={"type": "boolean"})
        return _object(claims={"type": "array", "items": claim})

    @property
    def is_binary(self) -> bool:
        """Never."""
        return False

    def read(self, answer: Mapping[str, Any], num_passages: int) -> Verdict:
        """The share of supported claims; the reason names those that are not."""
        claims = _entries(answer, "claims", "supported")
        unsupported = [str(each.get("claim", "")) for each in claims if not each["supported"]]
        value = 1 - len(unsupported) / len(claims) if claims else 1.0
        return Verdict(
            value=value,
            reason="; ".join(unsupported),
            confidence=_confidence(answer),
            details={"claims": len(claims), "unsupported": unsupported},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesForm:
    """Passages, each useful or not; the value is the average precision of their order.

    Source:
        Context precision of ragas: the mean of precision@k over the ranks k of useful passages.
    """

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        passage = _object(reason={"type": "string"}, useful={"type": "boolean"})
        return _object(passages={"type": "array", "items": passage})

    @property
    def is_binary(self) -> bool:
        """Never."""
        return False

    def read(self, answer: Mapping[str, Any], num_passages: int) -> Verdict:
        """The average precision; 0 where no passage is useful."""
        found = [bool(each["useful"]) for each in _entries(answer, "passages", "useful")]
        if len(found) != num_passages:
            raise UnreadableError(f'"passages" must have {num_passages} entries, one a passage; it has {len(found)}')
        ranks = [rank for rank, useful in enumerate(found, 1) if useful]
        value = math.fsum(place / rank for place, rank in enumerate(ranks, 1)) / len(ranks) if ranks else 0.0
        return Verdict(value=value, confidence=_confidence(answer), details={"useful": found})


def with_confidence(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a field for how sure the judge is."""
    properties = {**schema["properties"], "confidence": CONFIDENCE}
    return {**schema, "properties": properties, "required": [*schema["required"], "confidence"]}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _entries(answer: Mapping[str, Any], name: str, flag: str) -> Sequence[Mapping[str, Any]]:
    found = answer.get(name)
    if not isinstance(found, list):
        raise UnreadableError(f'"{name}" must be a list')
    for each in found:
        if not isinstance(each, Mapping) or not isinstance(each.get(flag), bool):
            raise UnreadableError(f'every entry of "{name}" needs "{flag}": true or false')
    return found


def _reason(answer: Mapping[str, Any]) -> str:
    reason = answer.get("reason")
    return reason.strip() if isinstance(reason, str) else ""


def _confidence(answer: Mapping[str, Any]) -> float | None:
    found = _number(answer.get("confidence"))
    return found if found is not None and 0 <= found <= 1 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
