"""Two answers side by side, in both orders, so that neither gains by its place."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from aiplatform.eval.calling import ChatEndpoint
from aiplatform.eval.judging import material
from aiplatform.eval.judging.asking import Question, asked
from aiplatform.eval.judging.callers import caller
from aiplatform.eval.judging.forms import Form, LabelForm, Verdict
from aiplatform.eval.judging.identity import VERSION_DIGITS
from aiplatform.eval.judging.judge import Judge, scorer_of
from aiplatform.eval.judging.prompts import Prompt, prompt, wording
from aiplatform.eval.model import MetricKind
from aiplatform.eval.scorers import Row, Scorer
from aiplatform.eval.statistics.hashing import canonical_json

FIRST: Final = "first"
SECOND: Final = "second"
TIE: Final = "tie"
WIN: Final = "win"
LOSS: Final = "loss"
_SWAPPED: Final = {FIRST: SECOND, SECOND: FIRST, TIE: TIE}
_OUTCOMES: Final = {FIRST: (WIN, 1.0), SECOND: (LOSS, 0.0), TIE: (TIE, 0.5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairwise(Judge):
    """Whether the answer is better than another one: 1 where it wins, 0 where it loses, 0.5 for a tie.

    Each pair is judged in both orders. Where the two verdicts disagree, the pair is a tie and counted as a flip.
    """

    KIND: ClassVar[str] = "pairwise"

    against: Any = "baseline"
    """Column that holds the other answer; or other answers by row id; or an evaluation run, whose answers they are."""

    instructions: str = ""
    """What better means."""

    others: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The other answers, once they were read from `against`."""

    @property
    def form(self) -> Form:
        """First, second or tie."""
        return LabelForm(labels={FIRST: 1.0, SECOND: 0.0, TIE: 0.5})

    @property
    def prompt(self) -> Prompt:
        """The text with what better means."""
        better = self.instructions.strip() or wording("better", self.language)
        return prompt(self.KIND, self.language).told(self._confidence_line, instructions=better)

    def as_scorer(self) -> Scorer:
        """The scorer that it is: its version is the judge's identity and the answers it compares with.

        Raises:
            InvalidError: No model is configured.
        """
        judge = self.settled()
        if not isinstance(judge.against, str):
            others = judge.against
            if not isinstance(others, Mapping):
                others = {row.row_id: row.output for row in others.rows()}
            digest = hashlib.sha256(canonical_json(dict(others)).encode()).hexdigest()
            judge = replace(judge, against=f"answers {digest[:VERSION_DIGITS]}", others=dict(others))
        made = scorer_of(judge)
        version = hashlib.sha256(f"{made.version} {judge.against}".encode()).hexdigest()[:VERSION_DIGITS]
        parameters = {**made.parameters, "against": judge.against}
        return replace(made, version=version, parameters=parameters, kind=MetricKind.MEAN)

    async def verdict(self, row: Row) -> Verdict:
        """Win, loss or tie.

        Raises:
            ValueError: There is no other answer for the row.
            UnauthenticatedError: The endpoint does not know the key.
            AIPlatformError: A call failed, or what came back is no verdict.
        """
        own, other = material.text_of(row.output), material.text_of(self._other(row))
        orders = await asyncio.gather(self._in_order(row, own, other), self._in_order(row, other, own))
        forth, back = orders[0].label, _SWAPPED[orders[1].label]
        agreed = forth if forth == back else TIE
        label, value = _OUTCOMES[agreed]
        chosen = orders[0] if agreed == forth else orders[1]
        return Verdict(
            value=value,
            label=label,
            reason=chosen.reason,
            confidence=_lower(orders[0].confidence, orders[1].confidence),
            details={
                "orders": [_OUTCOMES[forth][0], _OUTCOMES[back][0]],
                "flipped": forth != back,
                "favoured": _favoured(orders[0].label, orders[1].label),
                "calls": [call for each in orders for call in each.details.get("calls", ())],
            },
        )

    def _other(self, row: Row) -> Any:
        found = self.others.get(row.row_id) if self.others else row.columns.get(self.against)
        if found is None:
            raise ValueError(f"there is no other answer in {self.against!r}")
        return found

    async def _in_order(self, row: Row, first: str, second: str) -> Verdict:
        shown = {
            "input": material.text_of(row.input),
            "expected": material.text_of(row.expected),
            "first": first,
            "second": second,
        }
        question = Question(
            model=self.model,
            messages=self.prompt.messages(shown),
            schema=self._schema,
            name=self.KIND,
            options=self._options,
            language=self.language,
        )
        endpoint = ChatEndpoint(url=self.url, key=self.key, timeout_s=self.timeout_s)
        form = self.form
        return await asked(caller(), endpoint, question, lambda answer: form.read(answer, 0), self.samples)


def _favoured(forth: str, back: str) -> str | None:
    """The place that won in both orders; None where neither did."""
    return forth if forth == back and forth != TIE else None


def _lower(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)
