"""The words of evaluation and their names, and sentences that read in every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import DEFAULT_LOCALE, N_, translate

LIST_SEPARATORS: Final = {"en": ", ", "zh_CN": "、"}


class ScoreState(StrEnum):
    """What became of one score of one row. A failed score is never a silent zero."""

    SCORED = "scored"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class RunStatus(StrEnum):
    """Where an evaluation run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CAPPED = "capped"
    """A cap was reached; a higher one lets it go on."""

    INTERRUPTED = "interrupted"
    """Nothing is heard of its driver any more; one that comes back lets it run again."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self not in {RunStatus.QUEUED, RunStatus.RUNNING}

    @property
    def is_resumable(self) -> bool:
        """Whether it has ended without its result, so that it may go on from there."""
        return self.is_final and self is not RunStatus.COMPLETED


class MetricKind(StrEnum):
    """How a metric follows from its rows, which decides interval and test."""

    PROPORTION = "proportion"
    MEAN = "mean"
    AUC = "auc"
    QUANTILE = "quantile"
    CORPUS = "corpus"
    """Of all rows at once, as F1 and BLEU are: no row has a value of its own."""


class ModelKind(StrEnum):
    """How answers came about."""

    CALLABLE = "callable"
    ENDPOINT = "endpoint"
    REGISTERED = "registered"
    """A registered version, loaded by the workers."""

    STORED = "stored"
    """The data held them; no model was called."""


class Unit(StrEnum):
    """What a metric counts in."""

    NONE = ""
    MILLISECONDS = "ms"


class Status(StrEnum):
    """What a comparison established of one version on one metric. `open` means: not established either way."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"


class Outcome(StrEnum):
    """What became of a gate, or of one of its conditions. Only `pass` lets a version through."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Correction(StrEnum):
    """What is held under the level over all tests of a comparison."""

    HOLM = "holm"
    """The chance that one false discovery or more is made."""

    BENJAMINI_HOCHBERG = "benjamini_hochberg"
    """The expected share of false ones among the discoveries."""


class Change(StrEnum):
    """How one row did under a candidate, seen from the baseline."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    MISSING = "missing"
    """One of the two has no score there. A missing case is not a passing case."""


STATE_NAMES: Final = {
    ScoreState.SCORED: N_("scored"),
    ScoreState.FAILED: N_("failed"),
    ScoreState.NOT_APPLICABLE: N_("not applicable"),
}
RUN_STATUS_NAMES: Final = {
    RunStatus.QUEUED: N_("queued"),
    RunStatus.RUNNING: N_("running"),
    RunStatus.COMPLETED: N_("completed"),
    RunStatus.FAILED: N_("failed"),
    RunStatus.CANCELLED: N_("cancelled"),
    RunStatus.CAPPED: N_("capped"),
    RunStatus.INTERRUPTED: N_("interrupted"),
}
STATUS_NAMES: Final = {
    Status.BASELINE: N_("baseline"),
    Status.BETTER: N_("better"),
    Status.WORSE: N_("worse"),
    Status.OPEN: N_("open"),
}
OUTCOME_NAMES: Final = {
    Outcome.PASS: N_("passes"),
    Outcome.FAIL: N_("does not pass"),
    Outcome.UNKNOWN: N_("undecided"),
}
CORRECTION_NAMES: Final = {
    Correction.HOLM: N_("Holm"),
    Correction.BENJAMINI_HOCHBERG: N_("Benjamini-Hochberg"),
}
EFFECT_NAMES: Final = {
    "cohens_h": N_("Cohen's h"),
    "odds_ratio": N_("odds ratio"),
    "cohens_d_z": N_("Cohen's d_z"),
    "cliffs_delta": N_("Cliff's delta"),
}
TEST_NAMES: Final = {
    "mcnemar_exact": N_("McNemar, exact"),
    "mcnemar_chi2": N_("McNemar, chi-square with Edwards' correction"),
    "wilcoxon": N_("Wilcoxon"),
    "bootstrap": N_("paired bootstrap"),
    "delong": N_("DeLong"),
    "t": N_("paired t"),
    "clustered_t": N_("clustered t"),
}
CHANGE_NAMES: Final = {
    Change.WORSE: N_("worse"),
    Change.BETTER: N_("better"),
    Change.SAME: N_("same"),
    Change.MISSING: N_("missing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sentence of the catalogue with its values, so that it reads in every language."""

    text: str
    fields: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Values of the template; several are joined as the language joins them."""

    def localized(self, locale: str = DEFAULT_LOCALE) -> str:
        """The sentence in `locale`."""
        template = translate(self.text, locale)
        if not self.fields:
            return template
        separator = LIST_SEPARATORS.get(locale, ", ")
        return template.format(
            **{name: value if isinstance(value, str) else separator.join(value) for name, value in self.fields.items()}
        )

    def __str__(self) -> str:
        return self.localized()


def message(text: str, **fields: str | tuple[str, ...]) -> Message:
    """A `Message` from a template marked with `N_` and its fields."""
    return Message(text=text, fields=fields)


def joined(messages: tuple[Message, ...], locale: str) -> str:
    """Sentences as one text; Chinese needs no space between them."""
    return ("" if locale.startswith("zh") else " ").join(each.localized(locale) for each in messages)
