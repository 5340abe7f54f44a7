"""A judge: a model, a prompt and a form of verdicts, and the scorer that they make."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling import ChatEndpoint
from aiplatform.eval.judging import material
from aiplatform.eval.judging.asking import Question, asked
from aiplatform.eval.judging.callers import caller
from aiplatform.eval.judging.forms import Form, Verdict, with_confidence
from aiplatform.eval.judging.identity import JudgeIdentity
from aiplatform.eval.judging.prompts import Prompt, prompt, wording
from aiplatform.eval.model import MetricKind
from aiplatform.eval.scorers import Row, Score, Scorer

MODEL_VARIABLE: Final = "AIPLATFORM_JUDGE_MODEL"
URL_VARIABLE: Final = "AIPLATFORM_JUDGE_URL"
KEY_VARIABLE: Final = "AIPLATFORM_JUDGE_KEY"
TIMEOUT_S: Final = 120.0
SAMPLED_TEMPERATURE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge(ABC):
    """Judges one row at a time. Two judges of one identity are the same judge."""

    KIND: ClassVar[str] = ""
    VERSION: ClassVar[str] = "1"
    NEEDS: ClassVar[tuple[str, ...]] = ("output",)
    """What a row must have: without `expected` the judge does not apply to it."""

    model: str = ""
    """Name that requests ask for; by default `AIPLATFORM_JUDGE_MODEL`."""

    url: str = ""
    """Address up to `/v1`; by default `AIPLATFORM_JUDGE_URL`, and the platform's own where only a model is named."""

    key: str = field(default="", repr=False)
    """By default `AIPLATFORM_JUDGE_KEY`, the platform's key at its own address, `OPENAI_API_KEY` elsewhere."""

    name: str = ""
    """Of the scores; by default the kind."""

    language: str = "en"
    """Of the prompt: `en` or `zh`."""

    temperature: float | None = None
    """By default 0, and 1 where several samples are taken."""

    max_tokens: int | None = None
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further decoding options, as the endpoint takes them."""

    samples: int = 1
    """How often each row is judged; an odd number, and the majority decides."""

    with_confidence: bool = False
    """Whether the judge is asked how sure it is."""

    timeout_s: float = TIMEOUT_S

    @property
    @abstractmethod
    def form(self) -> Form:
        """The form of its verdicts."""

    @property
    def prompt(self) -> Prompt:
        """What it is told, with everything that holds for every row filled in."""
        return prompt(self.KIND, self.language).told(self._confidence_line)

    def material(self, row: Row) -> Mapping[str, str]:
        """What of the row it sees.

        Raises:
            ValueError: The row lacks it.
        """
        return _material(self.NEEDS, row)

    @property
    def score_name(self) -> str:
        """Name of its scores."""
        return self.name or self.KIND

    @property
    def identity(self) -> JudgeIdentity:
        """Who it is."""
        told = self.prompt
        return JudgeIdentity(
            kind=self.KIND,
            version=self.VERSION,
            model=self.model,
            prompt={"name": told.name, "version": told.version, "system": told.system, "user": told.user},
            schema=self._schema,
            decoding={**self._options, "samples": self.samples},
        )

    def settled(self) -> Self:
        """The same judge with its model named, from the environment where nobody else did.

        Raises:
            InvalidError: No model is configured, or a setting is wrong.
        """
        if self.samples < 1 or self.samples % 2 == 0:
            raise InvalidError(
                N_("A judge takes an odd number of samples, so that they have a majority; not {samples}."),
                reason="judge.samples",
                samples=self.samples,
            )
        if self.model:
            return self
        model = os.environ.get(MODEL_VARIABLE, "")
        if not model:
            raise InvalidError(
                N_("The judge {name!r} has no model to ask."),
                hint=N_("Name one, `model=...` and `url=...`, or set {variable}."),
                reason="judge.no_model",
                name=self.score_name,
                variable=MODEL_VARIABLE,
            )
        url, key = self.url or os.environ.get(URL_VARIABLE, ""), self.key or os.environ.get(KEY_VARIABLE, "")
        return replace(self, model=model, url=url, key=key)

    def as_scorer(self) -> Scorer:
        """The scorer that it is: its version is the judge's identity.

        Raises:
            InvalidError: No model is configured.
        """
        return scorer_of(self.settled())

    async def verdict(self, row: Row) -> Verdict:
        """What it says of a row.

        Raises:
            ValueError: The row lacks what it judges.
            UnauthenticatedError: The endpoint does not know the key.
            AIPlatformError: The call failed, or what came back is no verdict.
        """
        passages = len(material.passages_of(row)) if "contexts" in self.NEEDS else 0
        question = Question(
            model=self.model,
            messages=self.prompt.messages(self.material(row)),
            schema=self._schema,
            name=self.KIND,
            options=self._options,
            language=self.language,
        )
        endpoint = ChatEndpoint(url=self.url, key=self.key, timeout_s=self.timeout_s)
        form = self.form
        return await asked(caller(), endpoint, question, lambda answer: form.read(answer, passages), self.samples)

    async def __call__(self, row: Row) -> Score:
        """The row's score."""
        absent = lacking(self.NEEDS, row)
        return Score(None, absent) if absent else score_of(await self.verdict(row))

    @property
    def _schema(self) -> dict[str, Any]:
        return with_confidence(self.form.schema) if self.with_confidence else self.form.schema

    @property
    def _confidence_line(self) -> str:
        return wording("confidence", self.language) if self.with_confidence else ""

    @property
    def _options(self) -> dict[str, Any]:
        temperature = self.temperature
        if temperature is None:
            temperature = 0.0 if self.samples == 1 else SAMPLED_TEMPERATURE
        given = {"temperature": temperature, "max_tokens": self.max_tokens, "seed": self.seed, **self.options}
        return {name: value for name, value in given.items() if value is not None}


def scorer_of(judge: Judge) -> Scorer:
    """The scorer of a judge whose model is named."""
    identity = judge.identity
    return Scorer(
        function=judge,
        name=judge.score_name,
        version=identity.scorer_version,
        parameters=identity.parameters(judge.language),
        kind=None if judge.form.is_binary else MetricKind.MEAN,
    )


def score_of(verdict: Verdict) -> Score:
    """A verdict as a score."""
    known = {"label": verdict.label, "confidence": verdict.confidence}
    kept = {name: value for name, value in known.items() if value not in ("", None)}
    return Score(verdict.value, verdict.reason, metadata={**kept, **verdict.details})


def lacking(needs: tuple[str, ...], row: Row) -> str:
    """Why a judge does not apply to a row; empty where it does."""
    if "expected" in needs and row.expected in (None, ""):
        return "nothing is expected"
    if "contexts" in needs and not material.passages_of(row):
        return "nothing was retrieved"
    return ""


def _material(needs: tuple[str, ...], row: Row) -> dict[str, str]:
    found = {
        "input": material.text_of(row.input),
        "expected": material.text_of(row.expected),
        "output": material.text_of(row.output),
    }
    if "contexts" in needs:
        found["contexts"] = material.numbered(material.passages_of(row))
    return found
