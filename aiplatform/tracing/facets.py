"""Facets of the traces that a query finds: their values with counts, and the figures of all."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aiplatform.core.i18n import N_
from aiplatform.tracing.query.tree import Between, Compare, Duration, Every, Name, Node, Op, Space, Value

MAX_LOOKED_AT: Final = 5_000
"""Newest traces that are counted; what is older is left out, and said to be."""

MAX_LOOKED_AT_FOR_TAGS: Final = 1_000
MAX_TAGS: Final = 20
MAX_SCORE_NAMES: Final = 6
MAX_SINGLE_NUMBERS: Final = 6
"""Different numbers of a score up to which each is a choice of its own, rather than ranges of them."""

_MS: Final = 1_000_000
_S: Final = 1_000 * _MS
DURATION_EDGES_NS: Final = (100 * _MS, _S, 5 * _S, 30 * _S)
COST_EDGES: Final = (0.001, 0.01, 0.1, 1.0)


class Facet(StrEnum):
    """What traces are told apart by, in the order in which it is shown."""

    STATUS = "status"
    ERRORS = "errors"
    KIND = "kind"
    MODEL = "model"
    SERVICE = "service"
    USER = "user"
    SESSION = "session"
    TAG = "tag"
    DURATION = "duration"
    COST = "cost"


FACET_NAMES: Final[Mapping[Facet, str]] = {
    Facet.STATUS: N_("Status"),
    Facet.ERRORS: N_("Errors"),
    Facet.KIND: N_("Holds a span of kind"),
    Facet.MODEL: N_("Model"),
    Facet.SERVICE: N_("Service"),
    Facet.USER: N_("User"),
    Facet.SESSION: N_("Session"),
    Facet.TAG: N_("Tag"),
    Facet.DURATION: N_("Duration"),
    Facet.COST: N_("Cost"),
}


class Seen(NamedTuple):
    """What is read of one trace to count it; a tuple, as thousands are made for one page."""

    trace_id: str
    status: str
    kinds: tuple[str, ...]
    models: tuple[str, ...]
    service: str | None
    user: str | None
    session: str | None
    duration_ns: int
    num_errors: int
    cost: float | None
    """In its one currency; None where none or several are known."""

    currency: str | None
    several: Mapping[str, float] | None
    """Amounts by currency, where there are several."""

    input_tokens: int | None
    output_tokens: int | None

    @property
    def costs(self) -> Mapping[str, float]:
        """Amounts by currency; empty where none is known."""
        if self.several is not None:
            return self.several
        return {} if self.cost is None or self.currency is None else {self.currency: self.cost}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value or range of a facet."""

    node: Node
    """The condition that it stands for."""

    count: int | None
    """Traces that meet it, among those that all other facets leave; None where that is not counted."""

    value: str | None = None
    """The value, where it is a text."""

    low: float | None = None
    high: float | None = None
    """Ends of a range, or twice the one number; in nanoseconds for durations. None where it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the traces that were looked at add up to."""

    num_traces: int = 0
    num_errors: int = 0
    """Traces with a span that failed."""

    num_running: int = 0
    duration_p50_ns: int | None = None
    duration_p95_ns: int | None = None
    """Of traces that have ended; None where none has."""

    costs: Mapping[str, float] = field(default_factory=dict)
    """By currency; nothing is converted. Empty where no price is known."""

    num_priced: int = 0
    """Traces whose cost is known."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    """None where nobody said."""

    @property
    def error_share(self) -> float | None:
        """Traces with errors of all; None where there are none."""
        return self.num_errors / self.num_traces if self.num_traces else None

    @property
    def total_tokens(self) -> int | None:
        """In and out together; None where nobody said."""
        known = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        return sum(known) if known else None


def figures(seen: Sequence[Seen]) -> Figures:
    """What traces add up to."""
    durations = sorted(each.duration_ns for each in seen if each.status != "running")
    amounts: dict[str, list[float]] = {}
    for each in seen:
        for currency, amount in each.costs.items():
            amounts.setdefault(currency, []).append(amount)
    return Figures(
        num_traces=len(seen),
        num_errors=sum(each.num_errors > 0 for each in seen),
        num_running=sum(each.status == "running" for each in seen),
        duration_p50_ns=nearest_rank(durations, 0.5),
        duration_p95_ns=nearest_rank(durations, 0.95),
        costs={currency: math.fsum(amounts[currency]) for currency in sorted(amounts)},
        num_priced=sum(bool(each.costs) for each in seen),
        input_tokens=_sum(each.input_tokens for each in seen),
        output_tokens=_sum(each.output_tokens for each in seen),
    )


def nearest_rank(ordered: Sequence[int], share: float) -> int | None:
    """The smallest value that a share of all does not exceed: a value that was really measured."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def choices_of(facet: Facet, seen: Sequence[Seen], *, limit: int, wanted: frozenset[str] = frozenset()) -> list[Choice]:
    """The values of a facet other than tags among some traces, the most frequent first; ranges in their order.

    Args:
        facet: Which.
        seen: The traces.
        limit: Values at most.
        wanted: Values that are there in any case, if any trace has them.
    """
    name = Name(Space.FIELD, facet.value)
    match facet:
        case Facet.ERRORS:
            failed = sum(each.num_errors > 0 for each in seen)
            return [Choice(node=Compare(name, Op.ABOVE, 0), count=failed, value="yes")] if seen else []
        case Facet.DURATION:
            return _ranges(name, DURATION_EDGES_NS, [each.duration_ns for each in seen], written=Duration)
        case Facet.COST:
            if len({each.currency for each in seen if each.cost is not None}) > 1:
                return []  # one range would hold amounts that cannot be compared
            return _ranges(name, COST_EDGES, [each.cost for each in seen if each.cost is not None])
        case Facet.KIND | Facet.MODEL:
            counts: Counter[str] = Counter()
            # Few combinations stand in many traces: each is taken apart once.
            for values, count in Counter(each.kinds if facet is Facet.KIND else each.models for each in seen).items():
                counts.update(dict.fromkeys(values, count))
            return top(name, counts, limit, wanted)
        case _:
            found = Counter(value for each in seen if (value := getattr(each, facet)) is not None)
            return top(name, found, limit, wanted)


def top(name: Name, counts: Mapping[str, int], limit: int, wanted: frozenset[str] = frozenset()) -> list[Choice]:
    """The most frequent values; of equally frequent ones those that come first by name. What is wanted comes along."""
    ordered = heapq.nsmallest(limit, counts.items(), key=lambda pair: (-pair[1], pair[0]))
    first = {value for value, _ in ordered}
    ordered += [(value, counts[value]) for value in sorted(wanted - first) if value in counts]
    return [Choice(node=Compare(name, Op.EQUAL, value), count=count, value=value) for value, count in ordered]


@dataclass(slots=True)
class ScoreValues:
    """What scores of one name said, by trace."""

    labels: dict[str, set[str]] = field(default_factory=dict)
    """Traces by label; of yes and no, by `true` and `false`."""

    numbers: dict[str, list[float]] = field(default_factory=dict)
    """Numbers by trace."""

    @property
    def num_traces(self) -> int:
        """Traces that have such a score."""
        return len(set(self.numbers).union(*self.labels.values()))


def score_choices(name: str, values: ScoreValues, *, limit: int, wanted: frozenset[str] = frozenset()) -> list[Choice]:
    """The values of a score: labels the most frequent first, numbers in their order, ranges where they are many."""
    own = Name(Space.SCORE, name)
    found = top(own, {label: len(traces) for label, traces in values.labels.items()}, limit, wanted)
    distinct = sorted({number for numbers in values.numbers.values() for number in numbers})
    ends: list[tuple[float | None, float | None]]
    if len(distinct) <= MAX_SINGLE_NUMBERS:
        ends = [(number, number) for number in distinct]
    else:
        edges = score_edges(distinct)
        ends = [*zip([None, *edges], [*edges, None], strict=True)]
    for low, high in ends:
        # A trace may have several such scores: both ends must hold of the same one, so they are one condition, and a
        # number on an edge belongs to both sides of it.
        count = sum(any(_is_within(number, low, high) for number in numbers) for numbers in values.numbers.values())
        if count:
            found.append(Choice(node=_within(own, low, high), count=count, low=low, high=high))
    return found


def score_edges(ordered: Sequence[float]) -> list[float]:
    """Where ranges of numbers part: at quarters of what lies between 0 and 1, else at rounded quartiles."""
    if ordered[0] >= 0 and ordered[-1] <= 1:
        return [0.25, 0.5, 0.75]
    quartiles = [ordered[len(ordered) * quarter // 4] for quarter in (1, 2, 3)]
    return sorted({_rounded(each) for each in quartiles})


def as_written(choice: Node) -> Choice:
    """A condition that somebody wrote, as a choice that is there to be taken back."""
    match choice:
        case Compare(op=Op.EQUAL, value=value):  # all values that occur were counted, and this one is not among them
            return Choice(node=choice, count=0, value=value if isinstance(value, str) else None)
        case _:
            return Choice(node=choice, count=None)


def _ranges(name: Name, edges: Sequence[float], values: Sequence[float], *, written: Any = float) -> list[Choice]:
    """Half-open ranges that meet each other, of a field that a trace has once; empty ones are left out."""
    found = []
    for low, high in zip([None, *edges], [*edges, None], strict=True):
        count = sum((low is None or value >= low) and (high is None or value < high) for value in values)
        ends: list[Node] = [] if low is None else [Compare(name, Op.AT_LEAST, written(low))]
        ends += [] if high is None else [Compare(name, Op.BELOW, written(high))]
        if count:
            node = ends[0] if len(ends) == 1 else Every(tuple(ends))
            found.append(Choice(node=node, count=count, low=low, high=high))
    return found


def _within(name: Name, low: float | None, high: float | None) -> Node:
    if low is None or high is None:
        end = low if high is None else high
        return Compare(name, Op.AT_LEAST if high is None else Op.AT_MOST, _plain(end or 0.0))
    return Compare(name, Op.EQUAL, _plain(low)) if low == high else Between(name, _plain(low), _plain(high))


def _is_within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or number >= low) and (high is None or number <= high)


def _plain(number: float) -> Value:
    """Whole numbers without a point, as somebody would write them."""
    return int(number) if float(number).is_integer() and abs(number) < 1e15 else number


def _rounded(number: float) -> float:
    """With one significant digit."""
    return float(f"{number:.1g}")


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
