"""What a metric is: columns it needs, the state it collects, how the merged state becomes numbers."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from aiplatform.core.i18n import N_
from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED, Block, Column, Mask
from aiplatform.eval.measures.states import Fate
from aiplatform.eval.model import MetricKind, MetricValue, RowScore, ScorerRef, ScoreState, Unit

MAX_TOLD: Final = 300
BOOTSTRAP: Final = "poisson_bootstrap"
CLUSTERED: Final = "clustered_"
NOT_CLUSTERED: Final = N_("no interval of this metric takes rows of one cluster together")
EXPECTED = "expected"
OUTPUT = "output"
STATES: Final = {
    SCORED: ScoreState.SCORED,
    FAILED: ScoreState.FAILED,
    NOT_APPLICABLE: ScoreState.NOT_APPLICABLE,
}


class State(Protocol):
    """What blocks come to."""

    fate: Fate

    def merge(self, other: Self) -> None:
        """Take in what another state of the same collector holds; the order changes nothing."""
        ...


class Collector(Protocol):
    """Makes a block's state. Equal collectors make the same state, which metrics then share."""

    def collect(self, block: Block) -> State:
        """The state of one block."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        ...

    def __hash__(self) -> int: ...


class PairReader:
    """A collector that reads what is expected and what came; its fields `expected` and `output` name the columns."""

    __slots__ = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        named: Any = self
        return named.expected, named.output


class Vectorised:
    """A collector that costs no Python a row."""

    __slots__ = ()

    @property
    def is_vectorised(self) -> bool:
        """Whether it costs no Python a row."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How sure numbers shall be told."""

    level: float = 0.95
    draws: int = 1000
    seed: int = 0
    cluster: str = ""
    """Column whose equal values depend on each other: only intervals that heed it are told."""

    @property
    def bootstrap(self) -> str:
        """Name of the bootstrap, which draws clusters where there are any."""
        return CLUSTERED + BOOTSTRAP if self.cluster else BOOTSTRAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval."""

    value: float | None
    interval: tuple[float, float] | None = None
    method: str = ""
    n: int | None = None
    """Rows that it rests on; by default all that were scored."""

    suffix: str = ""
    """What follows the metric's name, where one metric gives several numbers: `[cat]`."""

    kind: MetricKind | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Finish = Callable[[Any, Request], Iterator[Estimate]]
RowValues = tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]
"""One number a row, and each row's fate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric with its parameters."""

    name: str
    """As it is written in a specification: `f1_macro`, `bleu(tokenize='zh')`."""

    family: str
    reference: str
    """What defines it: `sklearn.metrics.f1_score`."""

    collector: Collector
    finish: Finish
    kind: MetricKind = MetricKind.CORPUS
    lower_is_better: bool = False
    unit: Unit = Unit.NONE
    row_values: Callable[[Block], RowValues] | None = None
    """The number of each row, where the metric is their mean: comparisons pair by it."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is told with every number: version and signature of the reference."""

    def _finished(self, state: State, request: Request) -> Iterator[Estimate]:
        try:
            with warnings.catch_warnings():
                # What references warn of (a class without rows, say) shows in the value or in its reason.
                warnings.simplefilter("ignore")
                found = list(self.finish(state, request))
        except ValueError as error:
            # A run that has been paid for ends with a reason rather than with an error.
            found = [undefined(_told(error))]
        yield from found

    @property
    def ref(self) -> ScorerRef:
        """What is stored with the numbers."""
        return ScorerRef(
            name=self.name,
            version=str(self.details.get("version", "1")),
            parameters=self.details.get("parameters", {}),
            kind=self.kind,
            lower_is_better=self.lower_is_better,
        )

    def row_scores(self, block: Block) -> list[RowScore] | None:
        """The score of each row; None where rows have none of their own."""
        if self.row_values is None:
            return None
        values, states = self.row_values(block)
        return [
            RowScore(
                name=self.name,
                state=STATES[state],
                value=value if state == SCORED else None,
                reason="the output cannot be scored" if state == FAILED else "",
            )
            for value, state in zip(values.tolist(), states.tolist(), strict=True)
        ]

    def metrics(self, state: State, request: Request) -> Iterator[MetricValue]:
        """The numbers of a merged state."""
        for found in self._finished(state, request):
            if request.cluster and found.interval is not None and not found.method.startswith(CLUSTERED):
                found = replace(found, interval=None, details={**found.details, "no_interval": NOT_CLUSTERED})
            low, high = found.interval or (None, None)
            yield MetricValue(
                name=f"{self.name}{found.suffix}",
                kind=found.kind or self.kind,
                value=found.value,
                measure="mean" if self.row_values is not None else "corpus",
                low=low,
                high=high,
                n=state.fate.scored if found.n is None else found.n,
                scored=state.fate.scored,
                failed=state.fate.failed,
                not_applicable=state.fate.not_applicable,
                interval=found.method if found.interval else "",
                level=request.level,
                unit=self.unit,
                lower_is_better=self.lower_is_better,
                scorer=self.name if self.row_values is not None else "",
                details={**self.details, **found.details},
            )


def _told(error: ValueError) -> str:
    return f"the reference refuses these rows: {error}"[:MAX_TOLD]


def undefined(reason: str, **details: Any) -> Estimate:
    """No number, and why."""
    return Estimate(value=None, details={"undefined": reason, **details})


@dataclass(frozen=True)
class Pairs:
    """What is expected beside what came, and which rows can be scored."""

    expected: Column
    output: Column
    states: npt.NDArray[np.int8]

    @functools.cached_property
    def usable(self) -> Mask:
        """Rows with both."""
        return np.asarray(self.states == SCORED, dtype=np.bool_)


def pairs(block: Block, expected: str = EXPECTED, output: str = OUTPUT) -> Pairs:
    """Both columns: a row that expects nothing is not applicable, one without an answer failed."""
    wanted, came = block.column(expected), block.column(output)
    return Pairs(wanted, came, fates(wanted.is_missing, came.is_missing))


def fates(not_applicable: Mask, failed: Mask) -> npt.NDArray[np.int8]:
    """The fate of each row."""
    states = np.where(failed, FAILED, SCORED)
    return np.where(not_applicable, NOT_APPLICABLE, states).astype(np.int8)
