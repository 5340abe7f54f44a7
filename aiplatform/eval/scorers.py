"""Scorers: what turns a row and its output into a score. Plain functions, decorated, and the built-in ones.

    @scorer
    def short(row: Row) -> bool:
        return len(row.output) < 200

A scorer may be a function, a class that is made once in each worker, or an object with `__call__`, sync or async, of
one row or (`batch=True`) of a list of rows. It returns a number, a bool, `"yes"` or `"no"`, a `Score`, or None where it
does not apply to the row; one that declares `outputs` returns several of them by name, one that declares `categories`
one of those. What it raises becomes a failed score with the error as its reason.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast, overload, runtime_checkable

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.stopping import stops_run
from aiplatform.eval.model import MetricKind, RowScore, ScorerRef, ScoreState

MAX_REASON_CHARACTERS: Final = 2000
_WORDS: Final = {"yes": True, "no": False, "true": True, "false": False, "pass": True, "fail": False}
"""What judges and other libraries say in place of a bool."""


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

    value: float | bool | str | None
    """None: the scorer does not apply to this row. A text is `yes` or `no`, or one of the scorer's categories."""

    reason: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    label: bool | None = None
    """The truth that the value is ranked against, where the metric is an area under the ROC curve."""


_ROW_FIELDS: Final = frozenset({"input", "expected", "output"})
"""What a scorer may need besides columns."""

ScorerFunction = Callable[..., Any]
"""Of a `Row`, of a list of rows where the scorer takes batches; a class is called without arguments first."""


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
    batch: bool = False
    """Whether the function takes a list of rows and returns a list with something for each."""

    needs: tuple[str, ...] = ()
    """Columns without a value in which the scorer does not apply to a row; a row that lacks one altogether fails."""

    outputs: tuple[str, ...] = ()
    """Names of the values that the function returns as a dictionary; none where it returns one value."""

    categories: tuple[str, ...] = ()
    """Labels that the function chooses from; each becomes a share of the rows."""

    @property
    def ref(self) -> ScorerRef:
        """What is stored with the scores."""
        return self._ref(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The scores it gives: its own name, one an output, or `name/category` one a category."""
        if self.categories:
            return tuple(f"{self.name}/{category}" for category in self.categories)
        return self.outputs or (self.name,)

    @property
    def refs(self) -> tuple[ScorerRef, ...]:
        """What is stored with each of its scores."""
        return tuple(self._ref(name) for name in self.names)

    @property
    def is_async(self) -> bool:
        """Whether what it gives is awaited."""
        call = self.function.__call__ if inspect.isclass(self.function) else type(self.function).__call__
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(call)

    def made(self) -> Scorer:
        """The same with an instance where it was given a class: called once in each worker."""
        if not inspect.isclass(self.function):
            return self
        make = cast("Callable[[], ScorerFunction]", self.function)
        return replace(self, function=make())

    def __call__(self, row: Any) -> Any:
        """What the function says of the row, or of the rows."""
        return self.function(row)

    def _ref(self, name: str) -> ScorerRef:
        return ScorerRef(
            name=name,
            version=self.version,
            parameters=self.parameters,
            kind=self.kind,
            lower_is_better=self.lower_is_better,
        )


@runtime_checkable
class AsScorer(Protocol):
    """What can say which scorer it is, as judges can."""

    def as_scorer(self) -> Scorer:
        """The scorer that it is."""
        ...


@overload
def scorer(function: ScorerFunction, /) -> Scorer: ...
@overload
def scorer(
    *,
    name: str | None = None,
    version: str | None = None,
    kind: MetricKind | None = None,
    lower_is_better: bool = False,
    batch: bool = False,
    needs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> Callable[[ScorerFunction], Scorer]: ...
def scorer(
    function: ScorerFunction | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    kind: MetricKind | None = None,
    lower_is_better: bool = False,
    batch: bool = False,
    needs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> Scorer | Callable[[ScorerFunction], Scorer]:
    """Make a scorer of a function, of a class, or of an object that can be called.

    Args:
        function: Takes a `Row`; a class is made without arguments once in each worker, and its instance called.
        name: Its name; by default the function's.
        version: By default a hash of its source, so that a changed scorer is not mistaken for the old one.
        kind: `mean` where values are not only 0 and 1.
        lower_is_better: Whether less is better.
        batch: Whether it takes a list of rows and returns a list with something for each.
        needs: Columns that it cannot do without.
        outputs: Names of the values that it returns as a dictionary.
        categories: Labels that it returns one of; the run shows the share of each.

    Raises:
        InvalidError: A name cannot be one, or both outputs and categories are given.
    """
    if outputs and categories:
        raise InvalidError(
            N_("A scorer has several outputs or categories, not both."),
            hint=N_("Make two scorers of it."),
            reason="scorer.outputs",
        )

    def made(wrapped: ScorerFunction) -> Scorer:
        found = Scorer(
            function=wrapped,
            name=_checked(name or str(getattr(wrapped, "__name__", type(wrapped).__name__))),
            version=version or _source_version(wrapped),
            kind=kind,
            lower_is_better=lower_is_better,
            batch=batch,
            needs=tuple(needs),
            outputs=tuple(outputs),
            categories=tuple(categories),
        )
        for each in found.names:
            _checked(each)
        return found

    return made if function is None else made(function)


def resolve(wanted: Sequence[Scorer | AsScorer | ScorerFunction | str]) -> tuple[Scorer, ...]:
    """Scorers from scorers, judges, plain functions and classes, MLflow's scorers, names of built-in or installed ones.

    Raises:
        InvalidError: A name is unknown or occurs twice.
    """
    found = tuple(_resolved(each) for each in wanted)
    names = [name for each in found for name in each.names]
    for name in names:
        if names.count(name) > 1:
            raise InvalidError(N_("Two scorers are named {name!r}."), reason="scorer.repeated", name=name)
    return found


def scored(which: Scorer, row: Row) -> RowScore | Awaitable[RowScore]:
    """The score of one row by a scorer of one value; awaitable where the scorer is."""
    found = scores(which, row)
    return _first_of(found) if inspect.isawaitable(found) else found[0]


def scores(which: Scorer, row: Row) -> tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]:
    """The scores of one row, whatever the scorer does; awaitable where the scorer is."""
    lacking = unmet(which, row)
    if lacking is not None:
        return lacking
    try:
        value = which(row)
    except Exception as error:
        if stops_run(error):
            raise
        return all_failed(which, error)
    if inspect.isawaitable(value):
        return _awaited(which, value)
    return as_scores(which, value)


def unmet(which: Scorer, row: Row) -> tuple[RowScore, ...] | None:
    """The scores of a row that lacks a column which the scorer needs; None where it lacks none."""
    for column in which.needs:
        if column not in row.columns and column not in _ROW_FIELDS:
            return all_failed(which, f"the row has no column {column!r}")
        if (getattr(row, column) if column in _ROW_FIELDS else row.columns[column]) is None:
            reason = f"the row has no value in {column!r}"
            return tuple(RowScore(name=name, state=ScoreState.NOT_APPLICABLE, reason=reason) for name in which.names)
    return None


def as_scores(which: Scorer, value: Any) -> tuple[RowScore, ...]:
    """What a scorer returned for one row, as its scores."""
    if which.outputs:
        return _by_name(which, value)
    if which.categories:
        return _by_category(which, value)
    return (_as_score(which.name, value),)


def failed(name: str, error: BaseException | str) -> RowScore:
    """A failed score with its reason."""
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return RowScore(name=name, state=ScoreState.FAILED, reason=reason[:MAX_REASON_CHARACTERS])


def all_failed(which: Scorer, error: BaseException | str) -> tuple[RowScore, ...]:
    """Every score of a scorer as failed, for one reason."""
    return tuple(failed(name, error) for name in which.names)


async def _first_of(value: Awaitable[tuple[RowScore, ...]]) -> RowScore:
    return (await value)[0]


async def _awaited(which: Scorer, value: Awaitable[Any]) -> tuple[RowScore, ...]:
    try:
        return as_scores(which, await value)
    except Exception as error:
        if stops_run(error):
            raise
        return all_failed(which, error)


def _by_name(which: Scorer, value: Any) -> tuple[RowScore, ...]:
    """One score an output; an output that was left out does not apply to the row."""
    if value is None or (isinstance(value, Score) and value.value is None):
        reason = value.reason if isinstance(value, Score) else ""
        return tuple(_as_score(name, Score(None, reason)) for name in which.names)
    if not isinstance(value, Mapping):
        return all_failed(which, f"the scorer returned {value!r}, and no dictionary of its outputs")
    unknown = [str(name) for name in value if name not in which.outputs]
    if unknown:
        return all_failed(which, f"the scorer returned {', '.join(unknown)}, which it does not declare as outputs")
    return tuple(_as_score(name, value.get(name)) for name in which.outputs)


def _by_category(which: Scorer, value: Any) -> tuple[RowScore, ...]:
    """One yes or no a category, so that the mean of each is its share of the rows."""
    found = value if isinstance(value, Score) else Score(value)
    if found.value is not None and found.value not in which.categories:
        return all_failed(which, f"the scorer returned {found.value!r}, which is none of its categories")
    return tuple(
        _as_score(
            f"{which.name}/{category}",
            replace(found, value=None if found.value is None else found.value == category),
        )
        for category in which.categories
    )


def _as_score(name: str, value: Any) -> RowScore:
    if isinstance(value, Exception):
        return failed(name, value)  # one of several values may fail by itself
    found = value if isinstance(value, Score) else Score(value)
    reason = found.reason[:MAX_REASON_CHARACTERS]
    if found.value is None:
        return RowScore(name=name, state=ScoreState.NOT_APPLICABLE, reason=reason, metadata=found.metadata)
    said: Any = found.value
    if isinstance(said, str):
        said = _WORDS.get(said.strip().casefold(), said)
    if isinstance(said, str):
        # Also where it reads as a number: a label that nobody declared is no measurement.
        return failed(name, f"the scorer returned {said!r}, which is no number, and it declares no categories")
    try:
        number = float(said)
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


def _resolved(wanted: Scorer | AsScorer | ScorerFunction | str) -> Scorer:
    if isinstance(wanted, Scorer):
        return wanted
    if isinstance(wanted, AsScorer):
        return wanted.as_scorer()
    from aiplatform.eval import checks, foreign_scorers  # noqa: PLC0415 - they are made of this module's parts

    if not isinstance(wanted, str):
        return foreign_scorers.adapted(wanted) or scorer(wanted)
    from aiplatform.eval.builtin_scorers import named  # noqa: PLC0415 - likewise

    brought = checks.named(wanted)
    if brought is not None:
        return brought
    try:
        return named(wanted)  # first, so that no package can put itself in a built-in scorer's place
    except InvalidError:
        installed = foreign_scorers.installed(wanted)
        if installed is None:
            raise
        return installed


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
