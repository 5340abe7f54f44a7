"""A cheap judge for the rows it is sure of, and a dear one for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from aiplatform.core.errors import AIPlatformError, InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.stopping import stops_run
from aiplatform.eval.judging.forms import Verdict
from aiplatform.eval.judging.identity import JudgeIdentity
from aiplatform.eval.judging.judge import Judge, lacking, score_of
from aiplatform.eval.model import MetricKind
from aiplatform.eval.scorers import Row, Score, Scorer

KIND: Final = "cascade"
VERSION: Final = "1"
CHEAP: Final = "cheap"
DEAR: Final = "dear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Asks the cheap judge first; where it is not sure, fails or cannot be read, the dear one decides."""

    cheap: Judge
    dear: Judge
    threshold: float = 0.8
    """From which confidence on the cheap judge decides: what it says of itself, or the share of its samples."""

    name: str = ""

    @property
    def score_name(self) -> str:
        """Name of its scores."""
        return self.name or self.dear.score_name

    @property
    def identity(self) -> JudgeIdentity:
        """Who it is: both judges and the threshold between them."""
        return JudgeIdentity(
            kind=KIND,
            version=VERSION,
            model=f"{self.cheap.model} > {self.dear.model}",
            prompt={"name": f"{self.cheap.prompt.name} > {self.dear.prompt.name}"},
            more={
                CHEAP: self.cheap.identity.digest,
                DEAR: self.dear.identity.digest,
                "threshold": self.threshold,
            },
        )

    def settled(self) -> Self:
        """The same with both models named; a cheap judge that takes one sample is asked how sure it is.

        Raises:
            InvalidError: A model is not configured, or the two do not judge in one form.
        """
        cheap, dear = self.cheap.settled(), self.dear.settled()
        if cheap.form != dear.form:
            raise InvalidError(
                N_("The judges of a cascade must give the same kind of verdict; {cheap!r} and {dear!r} do not."),
                reason="judge.cascade",
                cheap=cheap.score_name,
                dear=dear.score_name,
            )
        return replace(self, cheap=replace(cheap, with_confidence=cheap.samples == 1), dear=dear)

    def as_scorer(self) -> Scorer:
        """The scorer that it is.

        Raises:
            InvalidError: A model is not configured, or the two do not judge in one form.
        """
        settled = self.settled()
        identity = settled.identity
        return Scorer(
            function=settled,
            name=settled.score_name,
            version=identity.scorer_version,
            parameters={**identity.parameters(settled.dear.language), "threshold": settled.threshold},
            kind=None if settled.dear.form.is_binary else MetricKind.MEAN,
        )

    async def verdict(self, row: Row) -> Verdict:
        """What the cheap judge says where it is sure, else what the dear one says.

        Raises:
            UnauthenticatedError: An endpoint does not know the key.
            AIPlatformError: The dear judge failed.
        """
        cheap: Verdict | None = None
        try:
            cheap = await self.cheap.verdict(row)
        except AIPlatformError as error:
            if stops_run(error):
                raise
            problem = str(error)
        else:
            problem = ""
            if cheap.confidence is not None and cheap.confidence >= self.threshold:
                return replace(cheap, details={**cheap.details, "decided_by": CHEAP})
        dear = await self.dear.verdict(row)
        said = {"cheap_label": cheap.label, "cheap_confidence": cheap.confidence} if cheap else {"cheap_error": problem}
        calls = [*(cheap.details.get("calls", ()) if cheap else ()), *dear.details.get("calls", ())]
        return replace(dear, details={**dear.details, **said, "decided_by": DEAR, "calls": calls})

    async def __call__(self, row: Row) -> Score:
        """The row's score."""
        absent = lacking(self.dear.NEEDS, row)
        return Score(None, absent) if absent else score_of(await self.verdict(row))
