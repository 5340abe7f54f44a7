"""What a gate is made of: conditions, and the values that their texts become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CALIBRATED_FROM: Final = 0.6
"""Agreement with people, as kappa, that a judge is asked for where a gate names no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured: a metric, or a function of one."""

    metric: str
    function: str = ""
    in_slice: str = ""
    """`language=zh` for `slice`, `language` for `min_over` and `max_over`."""

    column: int = 1
    """Where it stands in the gate, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A measure against a number."""

    measure: Measure
    compare: str
    number: float
    is_duration: bool = False
    """Whether the number was given with a unit of time; it is in milliseconds then."""

    column: int
    """Where the number stands, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """`worse_than` or `better_than` the baseline on a metric, by more than a margin."""

    call: str
    metric: str
    margin: float = 0.0
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """Whether a judge agrees with people at least so well, even at the lower end of what is known of it."""

    judge: str
    floor: float = CALIBRATED_FROM
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The opposite."""

    of: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """All of them."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """At least one of them."""

    of: tuple[Node, ...]


Node = Limit | Against | Calibrated | Not | Every | Some


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One of the conditions that a gate joins with `and`, with its own text."""

    text: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate that was understood."""

    text: str
    conditions: tuple[Condition, ...]

    @property
    def compared_metrics(self) -> tuple[str, ...]:
        """Metrics that the gate compares with the baseline, in order."""
        found: dict[str, None] = {}
        for condition in self.conditions:
            _collect(condition.node, found)
        return tuple(found)


def judges_of(gate: Gate) -> tuple[str, ...]:
    """Judges whose agreement with people the gate looks at."""
    found: dict[str, None] = {}
    open_nodes: list[Node] = [condition.node for condition in gate.conditions]
    while open_nodes:
        match open_nodes.pop():
            case Calibrated(judge=judge) | Limit(measure=Measure(function="kappa", metric=judge)):
                found[judge] = None
            case Not(of=inner):
                open_nodes.append(inner)
            case Every(of=several) | Some(of=several):
                open_nodes += several
            case _:
                pass
    return tuple(found)


def _collect(node: Node, found: dict[str, None]) -> None:
    match node:
        case Against(metric=metric):
            found[metric] = None
        case Not(of=inner):
            _collect(inner, found)
        case Every(of=several) | Some(of=several):
            for each in several:
                _collect(each, found)
        case Limit() | Calibrated():
            pass
