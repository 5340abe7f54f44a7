"""Runs on the same rows in the order of one metric, with what that order is worth."""

from __future__ import annotations

from dataclasses import dataclass

from aiplatform.eval.model.runs import DataRef, MetricValue
from aiplatform.eval.model.words import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardEntry:
    """One run of a leaderboard."""

    run_id: str
    name: str
    label: str
    metrics: tuple[MetricValue | None, ...]
    """In the order of the leaderboard's metrics; None where the run lacks one."""

    rank: int
    """By the primary metric alone; equal values share one."""

    rank_low: int
    rank_high: int
    """The ranks that the run keeps when the rows are drawn anew; a band of several is a rank that is not settled."""

    is_tied: bool = False
    """Whether its band reaches that of a neighbour: the two are not told apart."""

    @property
    def band(self) -> str:
        """`2`, or `2–4` where its rank is not settled."""
        low, high = self.rank_low, self.rank_high
        return str(low) if low == high else f"{low}\N{EN DASH}{high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Runs in the order of one metric, the best first."""

    data: DataRef
    metrics: tuple[str, ...]
    """The primary one first."""

    entries: tuple[LeaderboardEntry, ...]
    n: int
    """Rows that every run scored, on which the bands rest; 0 where they follow from the intervals."""

    level: float = 0.95
    seed: int = 0
    marks: tuple[Message, ...] = ()
    """What makes a forced leaderboard one of unlike things."""

    left_out: tuple[Message, ...] = ()
    """Runs on the same data that cannot be ranked beside these, and why."""
