"""How long spans stay in the database before they move to files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.retention import MAX_DAYS, number_in


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdPolicy:
    """When traces become cold: whole UTC days at a time, so that a day lies in few files."""

    hot_days: float
    """Days after a trace's end that its spans stay in the database at least."""

    def before_day(self, now_ns: int) -> int:
        """The first day (days since 1970) whose traces stay hot."""
        return int((now_ns - round(self.hot_days * DAY_NS)) // DAY_NS)


def read_cold(given: Mapping[str, Any]) -> ColdPolicy:
    """A policy from its JSON form.

    Raises:
        InvalidError: A value is wrong; the error names it.
    """
    return ColdPolicy(hot_days=number_in(given, "hot_days", 0.0, MAX_DAYS))


def cold_json(policy: ColdPolicy) -> dict[str, Any]:
    """A policy's JSON form."""
    return asdict(policy)
