"""How much a project sends, keeps and pays, day by day, from what was counted and from the traces themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.counting import CountKind
from aiplatform.tracing.model import DAY_NS, Freshness, Usage
from aiplatform.tracing.store.counting import costs_by_day, counts_by_day, reach, traces_by_day
from aiplatform.tracing.store.reading import freshness
from aiplatform.tracing.tree import TOKEN_NAMES, add_costs, add_tokens, usage_of

if TYPE_CHECKING:
    from aiplatform.storage.database import Database

MAX_DAYS: Final = 366
NO_TOKENS: Final = (None,) * len(TOKEN_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What was counted in some time. Days are UTC."""

    num_spans: int = 0
    """Spans taken, by the day on which they arrived; the same for the counts that follow."""

    num_known: int = 0
    """Of these, spans that were known already, and spans of erased traces."""

    size_bytes: int = 0
    num_logs: int = 0
    num_scores: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Spans, log records and data points that were not taken, by reason."""

    refused: Mapping[str, int] = field(default_factory=dict)
    """Requests that were not taken at all, by reason."""

    redacted: Mapping[str, int] = field(default_factory=dict)
    """Values that were taken out, by what they were."""

    num_dropped_attributes: int = 0
    """Attributes that senders threw away, by their own account."""

    num_traces: int = 0
    """Traces that are kept, by the day on which they began; the same for the figures that follow."""

    num_errors: int = 0
    tokens: Sequence[int | None] = NO_TOKENS
    costs: Mapping[str, float] = field(default_factory=dict)
    """By currency."""

    @property
    def usage(self) -> Usage:
        """The tokens by name."""
        return usage_of(self.tokens)

    @property
    def num_rejected(self) -> int:
        """Rejected for whatever reason."""
        return sum(self.rejected.values())

    @property
    def num_refused(self) -> int:
        """Refused for whatever reason."""
        return sum(self.refused.values())

    @property
    def num_redacted(self) -> int:
        """Redacted, whatever it was."""
        return sum(self.redacted.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """The days of a time, the newest first, and what they sum up to."""

    first_day: int
    """Days since 1970."""

    last_day: int
    days: Sequence[tuple[int, Volume]]
    """Days on which there was anything."""

    total: Volume
    oldest_ns: int | None
    """When the oldest trace that is kept began."""

    newest_ns: int | None
    freshness: Freshness
    """How far the text index is behind."""


class UsageReports:
    """Reports about any project. Thread safe.

    Args:
        database: Where counts and traces rest.
        clock: What day it is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of(self, scope: Scope, *, days: int = 7) -> UsageReport:
        """What a project sent, keeps and paid in the last days, today included.

        Raises:
            InvalidError: The number of days is not 1 to 366.
        """
        if not 1 <= days <= MAX_DAYS:
            raise InvalidError(N_("A report is about 1 to 366 days, not {days!r}."), days=days)
        now_ns = self._clock.now_ns()
        last = now_ns // DAY_NS
        first = last - days + 1
        found: dict[int, dict[str, object]] = {}
        with self._database.read(scope) as tx:
            counts = counts_by_day(tx, first, last)
            # A sender's clock may be ahead: what began tomorrow is shown with today's.
            figures = traces_by_day(tx, first, last + 2)
            costs = costs_by_day(tx, first, last + 2)
            oldest, newest = reach(tx)
            behind = freshness(tx, now_ns)
        for row in counts:
            _count(found.setdefault(row.day, {}), row.kind, row.reason, int(row.total))
        for row in figures:
            _figures(found.setdefault(min(row.day, last), {}), row)
        for day, paid in costs.items():
            kept = found.setdefault(min(day, last), {})
            kept["costs"] = add_costs(kept.get("costs", {}), paid)  # type: ignore[arg-type]
        volumes = [(day, Volume(**found[day])) for day in sorted(found, reverse=True)]  # type: ignore[arg-type]
        return UsageReport(
            first_day=first,
            last_day=last,
            days=volumes,
            total=total_of([volume for _, volume in volumes]),
            oldest_ns=oldest,
            newest_ns=newest,
            freshness=behind,
        )


def total_of(volumes: Sequence[Volume]) -> Volume:
    """Some volumes added up."""
    return Volume(
        num_spans=sum(one.num_spans for one in volumes),
        num_known=sum(one.num_known for one in volumes),
        size_bytes=sum(one.size_bytes for one in volumes),
        num_logs=sum(one.num_logs for one in volumes),
        num_scores=sum(one.num_scores for one in volumes),
        rejected=_added([one.rejected for one in volumes]),
        refused=_added([one.refused for one in volumes]),
        redacted=_added([one.redacted for one in volumes]),
        num_dropped_attributes=sum(one.num_dropped_attributes for one in volumes),
        num_traces=sum(one.num_traces for one in volumes),
        num_errors=sum(one.num_errors for one in volumes),
        tokens=add_tokens(NO_TOKENS, *(one.tokens for one in volumes)),
        costs=add_costs(*(one.costs for one in volumes)),
    )


_PLAIN: Final = {
    CountKind.SPANS: "num_spans",
    CountKind.KNOWN: "num_known",
    CountKind.BYTES: "size_bytes",
    CountKind.LOGS: "num_logs",
    CountKind.SCORES: "num_scores",
    CountKind.DROPPED: "num_dropped_attributes",
}
_BY_REASON: Final = frozenset({CountKind.REJECTED, CountKind.REFUSED, CountKind.REDACTED})


def _count(kept: dict[str, object], kind: str, reason: str, count: int) -> None:
    if kind in _BY_REASON:
        reasons: dict[str, int] = kept.setdefault(kind, {})  # type: ignore[assignment]
        reasons[reason] = count
    elif kind in _PLAIN:
        kept[_PLAIN[CountKind(kind)]] = count


def _figures(kept: dict[str, object], row: object) -> None:
    old: Sequence[int | None] = kept.get("tokens", NO_TOKENS)  # type: ignore[assignment]
    values = [getattr(row, name) for name in TOKEN_NAMES]
    kept["tokens"] = add_tokens(old, [None if value is None else int(value) for value in values])
    for name in ("num_traces", "num_errors"):
        kept[name] = int(kept.get(name, 0)) + int(getattr(row, name))  # type: ignore[call-overload]


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    reasons = sorted({reason for each in counts for reason in each})
    return {reason: sum(each.get(reason, 0) for each in counts) for reason in reasons}
