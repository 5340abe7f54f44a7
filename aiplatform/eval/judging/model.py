"""The values of calibration: how far a judge agrees with people, and what moves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aiplatform.eval.model import DataRef

SIGNIFICANT: Final = 0.05


class Level(StrEnum):
    """How values can differ."""

    NOMINAL = "nominal"
    """They are the same or not."""

    ORDINAL = "ordinal"
    """They have an order."""

    INTERVAL = "interval"
    """Their differences are amounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval."""

    value: float | None
    """None where it is not defined: everybody always says the same."""

    low: float | None = None
    high: float | None = None
    n: int = 0
    """Items it rests on."""

    method: str = ""
    """Of the interval: `bootstrap`, `wilson`, `lang_reiczigel`, `agresti_min`, `mantel_haenszel`, `t`."""

    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """One way in which a judge may be moved, with a test of it."""

    estimate: Estimate
    p_value: float | None
    """Two-sided; None where nothing can be tested."""

    test: str
    """`sign` or `mantel_haenszel`."""

    @property
    def is_found(self) -> bool:
        """Whether it is established."""
        return self.p_value is not None and self.p_value < SIGNIFICANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One judge against people, on items that both have judged. It never changes."""

    identity: str
    """The judge's, 64 hexadecimal digits."""

    scorer: str
    """Name of the judge's scores."""

    judge: Mapping[str, Any] = field(default_factory=dict)
    """What is known of it: kind, model, prompt, decoding."""

    calibration_id: str = ""
    project_id: str = ""
    run_id: str = ""
    """The run whose scores are the judge's verdicts."""

    data: DataRef = field(default_factory=DataRef)
    source: str = ""
    """Where people's verdicts come from: a review queue's id, or `given`."""

    labels_hash: str = ""
    """Hash of what people said of which item. Equal hashes mean equal labels."""

    n: int = 0
    """Items that both have judged."""

    num_raters: int = 1
    """Most people that judged one item."""

    ties: int = 0
    """Items left out, as people do not agree on them."""

    unjudged: int = 0
    """Items that people judged, and on which the judge failed or does not apply."""

    measured: Level = Level.NOMINAL
    threshold: float | None = None
    """From which value on a verdict passes; None where verdicts are no numbers."""

    values: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Items by what people say (rows) and what the judge says (columns), in the order of `values`."""

    agreement: Estimate
    kappa: Estimate
    alpha: Estimate
    people_alpha: Estimate | None = None
    """People among themselves, where several judged an item: no judge can be asked to agree better."""

    false_passes: Estimate | None = None
    false_fails: Estimate | None = None
    judged_rate: Estimate | None = None
    """Share that the judge passes of the run's rows that people have not judged."""

    corrected_rate: Estimate | None = None
    """The share that people would pass of the same rows."""

    inconsistency: Estimate | None = None
    """How often two verdicts of the judge on one item differ."""

    position: Bias | None = None
    length: Bias | None = None
    seed: int = 0
    created_by: str = ""
    created_ns: int = 0

    def is_calibrated(self, floor: float) -> bool:
        """Whether kappa is established to be at least `floor`: its interval lies above."""
        return self.kappa.low is not None and self.kappa.low >= floor


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSummary:
    """A judge that a project has used."""

    identity: str
    scorer: str
    judge: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 0
    """Of the project's latest runs, how many it scored."""

    last_used_ns: int = 0
    calibrations: int = 0
    latest: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPage:
    """Calibrations, newest first."""

    items: tuple[Calibration, ...]
    next: str | None = None
