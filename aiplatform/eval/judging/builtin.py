"""The judges that come with the platform."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging.forms import ClaimsForm, Form, LabelForm, PassagesForm, ScaleForm
from aiplatform.eval.judging.heuristics import embedding_relevance, lexical_correctness
from aiplatform.eval.judging.judge import MODEL_VARIABLE, Judge, scorer_of
from aiplatform.eval.judging.prompts import Prompt, prompt, wording
from aiplatform.eval.scorers import Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Correctness(Judge):
    """Whether the answer says what the reference says: 1 or 0."""

    KIND: ClassVar[str] = "correctness"
    NEEDS: ClassVar[tuple[str, ...]] = ("output", "expected")

    lexical: bool = False
    """Compare words instead of asking a model. Its scores are named `correctness_lexical`."""

    @property
    def form(self) -> Form:
        """Correct or not."""
        return LabelForm(labels={"correct": 1.0, "incorrect": 0.0})

    def as_scorer(self) -> Scorer:
        """The scorer that it is.

        Raises:
            InvalidError: No model is configured, and `lexical` was not asked for.
        """
        return lexical_correctness(self.name) if self.lexical else scorer_of(self.settled())


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance(Judge):
    """Whether the answer addresses the question: 1 or 0.

    Where no model is configured, the similarity of sentence embeddings stands in, and its scores are named
    `relevance_embedding`.
    """

    KIND: ClassVar[str] = "relevance"

    @property
    def form(self) -> Form:
        """Relevant or not."""
        return LabelForm(labels={"relevant": 1.0, "irrelevant": 0.0})

    def as_scorer(self) -> Scorer:
        """The scorer that it is, or the heuristic in its place."""
        if not self.model and not os.environ.get(MODEL_VARIABLE):
            return embedding_relevance(self.name)
        return scorer_of(self.settled())


@dataclass(frozen=True, slots=True, kw_only=True)
class Groundedness(Judge):
    """The share of the answer's claims that the retrieved passages support."""

    KIND: ClassVar[str] = "groundedness"
    NEEDS: ClassVar[tuple[str, ...]] = ("output", "contexts")

    @property
    def form(self) -> Form:
        """Claims."""
        return ClaimsForm()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPrecision(Judge):
    """The average precision of the retrieved passages: whether useful ones stand first."""

    KIND: ClassVar[str] = "context_precision"
    NEEDS: ClassVar[tuple[str, ...]] = ("expected", "contexts")

    @property
    def form(self) -> Form:
        """Passages."""
        return PassagesForm()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRecall(Judge):
    """The share of the reference's statements that the retrieved passages hold."""

    KIND: ClassVar[str] = "context_recall"
    NEEDS: ClassVar[tuple[str, ...]] = ("expected", "contexts")

    @property
    def form(self) -> Form:
        """Claims, of the reference."""
        return ClaimsForm()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric(Judge):
    """Whatever the instructions say, as one of several labels or a whole number of a scale."""

    KIND: ClassVar[str] = "rubric"

    instructions: str
    labels: Mapping[str, float] | Sequence[str] | None = None
    """Labels and what each is worth, `{"polite": 1, "rude": 0}`; of a list, the first is worth 1 and the last 0."""

    scale: tuple[int, int] | None = None
    """Lowest and highest whole number."""

    @property
    def form(self) -> Form:
        """Labels, or a scale.

        Raises:
            InvalidError: Neither or both are given, or they are too few.
        """
        if (self.labels is None) == (self.scale is None):
            raise InvalidError(N_("A rubric needs labels or a scale, one of the two."), reason="judge.rubric")
        if self.scale is not None:
            return ScaleForm(low=min(self.scale), high=max(self.scale))
        labels = _valued(self.labels or ())
        if len(labels) < 2:
            raise InvalidError(N_("A rubric needs at least two labels."), reason="judge.rubric")
        return LabelForm(labels=labels)

    @property
    def prompt(self) -> Prompt:
        """The general text with the rubric in it."""
        form = self.form
        if isinstance(form, ScaleForm):
            asked = wording("scale", self.language, low=str(form.low), high=str(form.high))
        else:
            known = form.labels if isinstance(form, LabelForm) else {}
            asked = wording("labels", self.language, labels=", ".join(f'"{label}"' for label in known))
        return prompt(self.KIND, self.language).told(
            self._confidence_line, instructions=self.instructions.strip(), form=asked
        )


def _valued(labels: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    if isinstance(labels, Mapping):
        return {label: float(value) for label, value in labels.items()}
    steps = max(len(labels) - 1, 1)
    return {label: (steps - place) / steps for place, label in enumerate(labels)}
