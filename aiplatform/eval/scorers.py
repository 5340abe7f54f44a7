"""Scorers: what turns a row and its output into a score. Plain functions, decorated, and the built-in ones.

    @scorer
    def short(row: Row) -> bool:
        return len(row.output) < 200

A scorer may be a function or an object with `__call__`, sync or async. It returns a number, a bool, a `Score`, or None
where it does not apply to the row. What it raises becomes a failed score with the error as its reason.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, overload

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.stopping import stops_run
from aiplatform.eval.model import MetricKind, RowScore, ScorerRef, ScoreState

MAX_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row with what the model made of it, as a scorer sees it."""

    row_id: str
    input: Any
    expected: Any = None
    output: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Every column of the data."""

    latency_ms: float | None = None
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its reason."""

    value: float | bool | None
    """None: the scorer does not apply to this row."""

    reason: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    label: bool | None = None
    """The truth that the value is ranked against, where the metric is an area under the ROC curve."""


ScorerFunction = Callable[[Row], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A function with the name, version and direction that its scores are stored under."""

    function: ScorerFunction
    name: str
    version: str = "1"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: MetricKind | None = None
    """`mean` where values are not only 0 and 1; None lets the values decide."""

    lower_is_better: bool = False

    @property
    def ref(self) -> ScorerRef:
        """What is stored with the scores."""
        return ScorerRef(
            name=self.name,
            version=self.version,
            parameters=self.parameters,
            kind=self.kind,
            lower_is_better=self.lower_is_better,
        )

    def __call__(self, row: Row) -> Any:
        """What the function says of the row."""
        return self.function(row)


@overload
def scorer(function: ScorerFunction, /) -> Scorer: ...
@overload
def scorer(
    *,
    name: str | None = None,
    version: str | None = None,
    kind: MetricKind | None = None,
    lower_is_better: bool = False,
) -> Callable[[ScorerFunction], Scorer]: ...
def scorer(
    function: ScorerFunction | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    kind: MetricKind | None = None,
    lower_is_better: bool = False,
) -> Scorer | Callable[[ScorerFunction], Scorer]:
    """Make a scorer of a function or of an object that can be called.

    Args:
        function: Takes a `Row`.
        name: Its name; by default the function's.
        version: By default a hash of its source, so that a changed scorer is not mistaken for the old one.
        kind: `mean` where values are not only 0 and 1.
        lower_is_better: Whether less is better.
    """

    def made(wrapped: ScorerFunction) -> Scorer:
        return Scorer(
            function=wrapped,
            name=_checked(name or str(getattr(wrapped, "__name__", type(wrapped).__name__))),
            version=version or _source_version(wrapped),
            kind=kind,
            lower_is_better=lower_is_better,
        )

    return made if function is None else made(function)


def resolve(wanted: Sequence[Scorer | ScorerFunction | str]) -> tuple[Scorer, ...]:
    """Scorers from scorers, plain functions, and names of built-in ones such as `hit@5`.

    Raises:
        InvalidError: A name is unknown or occurs twice.
    """
    found = tuple(_resolved(each) for each in wanted)
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidError(N_("Two scorers are named {name!r}."), reason="scorer.repeated", name=name)
    return found


def scored(which: Scorer, row: Row) -> RowScore | Awaitable[RowScore]:
    """The score of one row, whatever the scorer does; awaitable where the scorer is."""
    try:
        value = which(row)
    except Exception as error:
        if stops_run(error):
            raise
        return failed(which.name, error)
    if inspect.isawaitable(value):
        return _awaited(which, value)
    return _as_score(which.name, value)


def failed(name: str, error: BaseException | str) -> RowScore:
    """A failed score with its reason."""
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return RowScore(name=name, state=ScoreState.FAILED, reason=reason[:MAX_REASON_CHARACTERS])


async def _awaited(which: Scorer, value: Awaitable[Any]) -> RowScore:
    try:
        return _as_score(which.name, await value)
    except Exception as error:
        if stops_run(error):
            raise
        return failed(which.name, error)


def _as_score(name: str, value: Any) -> RowScore:
    found = value if isinstance(value, Score) else Score(value)
    reason = found.reason[:MAX_REASON_CHARACTERS]
    if found.value is None:
        return RowScore(name=name, state=ScoreState.NOT_APPLICABLE, reason=reason, metadata=found.metadata)
    try:
        number = float(found.value)
    except (TypeError, ValueError):
        return failed(name, f"the scorer returned {found.value!r}, which is no number")
    if not math.isfinite(number):
        return failed(name, f"the scorer returned {number}")
    return RowScore(
        name=name,
        state=ScoreState.SCORED,
        value=number,
        reason=reason,
        label=found.label,
        metadata=found.metadata,
    )


def _resolved(wanted: Scorer | ScorerFunction | str) -> Scorer:
    if isinstance(wanted, Scorer):
        return wanted
    if not isinstance(wanted, str):
        return scorer(wanted)
    from aiplatform.eval.builtin_scorers import named  # noqa: PLC0415 - they are made of this module's parts

    return named(wanted)


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_@/]*", name):
        raise InvalidError(
            N_("{name!r} cannot name a scorer."),
            hint=N_("Begin with a letter; letters, digits, `_`, `@` and `/` may follow."),
            reason="scorer.name",
            name=name,
        )
    return name


def _source_version(function: ScorerFunction) -> str:
    try:
        target = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
        source = inspect.getsource(target)
    except (OSError, TypeError):
        return "1"
    return hashlib.sha256(unicodedata.normalize("NFC", source).encode()).hexdigest()[:8]
