"""The values of online evaluation: rules, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEFAULT_BUDGET = 1000
DEFAULT_MAX_AGE_S = 3600.0
DEFAULT_QUIET_S = 30.0


class OnlineState(StrEnum):
    """What became of one scorer on one trace."""

    CLAIMED = "claimed"
    """It is being scored; where its worker died, it is taken up again."""

    SCORED = "scored"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    OVER_BUDGET = "over_budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """What to score of the traces that arrive."""

    name: str
    query: str = ""
    """Which traces, in the query language; by default all."""

    rate: float = 1.0
    """Share of them, 0 to 1. The choice follows from the trace's id: every rule of one rate takes the same ones."""

    scorers: tuple[str | Mapping[str, Any], ...] = ()
    """Names of built-in scorers, or judges such as `{"judge": "relevance", "model": "large"}`."""

    budget_per_day: int = DEFAULT_BUDGET
    """Scores a day (UTC) at most; traces beyond it are counted and not scored."""

    quiet_s: float = DEFAULT_QUIET_S
    """A trace is taken up when nothing of it has arrived for so long."""

    max_age_s: float = DEFAULT_MAX_AGE_S
    """A trace counts as live where it arrives within so long after its beginning."""

    queue_id: str = ""
    """Review queue for traces with low scores."""

    below: float | None = None
    """From which value down a score is low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRule:
    """A rule of a project."""

    rule_id: str
    project_id: str
    rule: NewRule
    is_enabled: bool = True
    cursor_ns: int = 0
    """Everything that arrived before was looked at."""

    cursor_id: str = ""
    checked_ns: int = 0
    """When the worker last looked."""

    error: str = ""
    """Why it could not go on, the last time it looked."""

    created_by: str = ""
    created_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStatus:
    """A rule and how far it is."""

    rule: OnlineRule
    lag_s: float
    """Age of the oldest arrival that it has not looked at; 0 where there is none."""

    today: Mapping[str, int]
    """What became of today's scores, by state."""
