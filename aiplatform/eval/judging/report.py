"""How a judge did in a run: what failed and why, which judge of a cascade decided, how often orders disagreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiplatform.eval.model import RowResult, ScoreState
from aiplatform.eval.statistics.intervals import Interval, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of something counted, with its interval."""

    part: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.part / self.of if self.of else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's interval, 95 %."""
        return wilson(self.part, self.of)


@dataclass(slots=True)
class JudgeReport:
    """What the rows of a run say of one judge."""

    scorer: str
    scored: int = 0
    failed: int = 0
    not_applicable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why scores failed, by their reasons' beginnings."""

    decided: Counter[str] = field(default_factory=Counter)
    """Rows by the judge of a cascade that decided them."""

    pairs: int = 0
    flipped: int = 0
    """Pairs whose two orders gave different verdicts."""

    favoured: Counter[str] = field(default_factory=Counter)
    """Pairs that the place decided: `first` or `second` won in both orders."""

    calls: int = 0
    cached: int = 0

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def flip_rate(self) -> Share:
        """Share of the pairs whose verdict depends on the order."""
        return Share(part=self.flipped, of=self.pairs)

    def decided_by(self, which: str) -> Share:
        """Share of the rows that one judge of a cascade decided."""
        return Share(part=self.decided[which], of=self.decided.total())

    def add(self, row: RowResult) -> None:
        """Take in a row."""
        score = next((each for each in row.scores if each.name == self.scorer), None)
        if score is None or score.state is ScoreState.NOT_APPLICABLE:
            self.not_applicable += score is not None
            return
        if score.state is ScoreState.FAILED:
            self.failed += 1
            self.reasons[score.reason[:60]] += 1
            return
        self.scored += 1
        self._add_details(score.metadata)

    def _add_details(self, details: Mapping[str, Any]) -> None:
        if "decided_by" in details:
            self.decided[details["decided_by"]] += 1
        if "orders" in details:
            self.pairs += 1
            self.flipped += bool(details.get("flipped"))
            if details.get("favoured"):
                self.favoured[details["favoured"]] += 1
        for call in details.get("calls", ()):
            self.calls += 1
            self.cached += bool(call.get("cached"))
            self.input_tokens += call.get("input_tokens") or 0
            self.output_tokens += call.get("output_tokens") or 0


def report(rows: Iterable[RowResult], scorer: str) -> JudgeReport:
    """How a judge did in these rows."""
    found = JudgeReport(scorer=scorer)
    for row in rows:
        found.add(row)
    return found
