"""Use case: what the traces that a query finds can be told apart by, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiplatform.core.scope import Scope
from aiplatform.tracing import facets
from aiplatform.tracing.facets import Choice, Facet, Figures, ScoreValues, Seen
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import filter_of, parse
from aiplatform.tracing.query.facets import Division, divide, names_chosen
from aiplatform.tracing.query.printing import show_name, typed
from aiplatform.tracing.query.tree import Name, Node, Space, uses_index
from aiplatform.tracing.store import facets as store
from aiplatform.tracing.store.searching import query_condition

if TYPE_CHECKING:
    from aiplatform.storage.database import Transaction
    from aiplatform.tracing.service import Traces
    from aiplatform.tracing.textindex import Matches

MAX_CHOICES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One choice as it is offered."""

    choice: Choice
    is_chosen: bool
    query: str
    """The line with the choice more, or, where it is chosen, without it."""

    @property
    def condition(self) -> str:
        """The condition that it stands for."""
        return typed(self.choice.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetGroup:
    """A facet with its choices."""

    name: str
    """As it stands in a query: `status`, `score.relevance`."""

    facet: Facet | None
    """None for the score of that name."""

    ways: Sequence[Way]
    num_looked_at: int
    """Traces that were counted: those that all other facets leave."""

    is_bounded: bool
    """Whether there are more traces, or more values, than were counted."""

    currency: str | None = None
    """Of the amounts, where they are costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetReport:
    """The facets of what a query finds."""

    figures: Figures
    groups: Sequence[FacetGroup]
    max_traces: int
    is_bounded: bool
    """Whether more traces were found than `max_traces`: only the newest of them are in the figures."""

    is_cut: bool
    """Whether a text matched so often that only its newest matches were considered."""


class Facets:
    """Counts. Thread safe.

    Args:
        traces: The room's service.
    """

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def of(
        self,
        scope: Scope,
        line: str = "",
        *,
        from_ns: int | None = None,
        to_ns: int | None = None,
        limit: int = 8,
        max_traces: int = facets.MAX_LOOKED_AT,
    ) -> FacetReport:
        """The facets of what a line finds, each counted as if nothing of it were chosen.

        Args:
            scope: Tenant and project.
            line: A line of the query language.
            from_ns: Only traces that began then or later.
            to_ns: Only traces that began before.
            limit: Values of a facet at most, the most frequent; what is chosen is always among them.
            max_traces: Newest traces that are counted.

        Raises:
            QueryError: The line cannot be understood.
        """
        node = parse(line).node
        times = TraceFilter(from_ns=from_ns, to_ns=to_ns)
        look = _Look(self._traces, scope, node, times, max_traces)
        with self._traces.index.reader().read(scope) as tx:
            counting = _Counting(look, tx, node, limit)
            groups = [counting.field(facet) for facet in Facet]
            groups += counting.scores()
            whole, is_bounded = counting.seen(node)
        return FacetReport(
            figures=facets.figures(whole),
            groups=[group for group in groups if group.ways],
            max_traces=max_traces,
            is_bounded=is_bounded,
            is_cut=look.matches is not None and look.matches.is_cut,
        )


class _Look:
    """What all countings of one report share: the time, the words, the bound."""

    def __init__(self, traces: Traces, scope: Scope, node: Node | None, times: TraceFilter, max_traces: int) -> None:
        self._times = times
        self.max_traces = max_traces
        self.index = traces.index.sql
        self.now_ns = traces.clock.now_ns()
        where = filter_of(node, times)
        has_text = bool(where.text and where.text.strip())
        if has_text or (where.query is not None and uses_index(where.query)):
            traces.update_index()
        self.matches: Matches | None = None
        if has_text:
            self.matches = traces.index.search(scope, where.text or "", from_ns=where.from_ns, to_ns=where.to_ns)

    def newest(self, tx: Transaction, node: Node | None) -> list[Seen]:
        """The newest traces that a query finds; one more than are counted, if there are more."""
        where = filter_of(node, self._times)
        query = where.query
        condition = None if query is None else query_condition(tx, query, self.index, now_ns=self.now_ns)
        return store.newest(tx, where, matches=self.matches, condition=condition, limit=self.max_traces + 1)


class _Counting:
    """Counts in one transaction; traces that several facets look at are read once."""

    def __init__(self, look: _Look, tx: Transaction, node: Node | None, limit: int) -> None:
        self._look = look
        self._tx = tx
        self._node = node
        self._limit = limit
        self._read: dict[Node | None, list[Seen]] = {}

    def seen(self, node: Node | None) -> tuple[list[Seen], bool]:
        """The traces that are counted of those that a query finds, and whether there are more."""
        if node not in self._read:
            self._read[node] = self._look.newest(self._tx, node)
        found = self._read[node]
        return found[: self._look.max_traces], len(found) > self._look.max_traces

    def field(self, facet: Facet) -> FacetGroup:
        """A facet of a field."""
        name = Name(Space.FIELD, facet.value)
        division = divide(self._node, name)
        seen, is_bounded = self.seen(division.rest)
        if facet is Facet.TAG:
            return self._tags(name, division, seen, is_bounded)
        ways = self._ways(division, facets.choices_of(facet, seen, limit=self._limit, wanted=_values(division)))
        currency = next((each.currency for each in seen if each.cost is not None), None)
        return FacetGroup(
            name=show_name(name),
            facet=facet,
            ways=ways,
            num_looked_at=len(seen),
            is_bounded=is_bounded,
            currency=currency if facet is Facet.COST else None,
        )

    def scores(self) -> list[FacetGroup]:
        """A facet for each name of a score: those that most traces have, and those of which something is chosen."""
        seen, is_bounded = self.seen(self._node)
        found = store.score_values(self._tx, [each.trace_id for each in seen])
        names = sorted(found, key=lambda name: (-found[name].num_traces, name))[: facets.MAX_SCORE_NAMES]
        chosen = [name.name for name in names_chosen(self._node) if name.space is Space.SCORE and name.name]
        groups = []
        # Each of which something is chosen is a look of its own: a long query must not make a hundred.
        for own in dict.fromkeys([*chosen[: facets.MAX_SCORE_NAMES], *names]):
            name = Name(Space.SCORE, own)
            division = divide(self._node, name)
            values, looked_at, bounded = found.get(own, ScoreValues()), len(seen), is_bounded
            if division.chosen:
                rest, bounded = self.seen(division.rest)
                looked_at = len(rest)
                values = store.score_values(self._tx, [each.trace_id for each in rest], own).get(own, ScoreValues())
            ways = self._ways(division, facets.score_choices(own, values, limit=self._limit, wanted=_values(division)))
            groups.append(
                FacetGroup(name=show_name(name), facet=None, ways=ways, num_looked_at=looked_at, is_bounded=bounded)
            )
        return groups

    def _tags(self, name: Name, division: Division, seen: Sequence[Seen], is_bounded: bool) -> FacetGroup:
        """Tags lie in the index, span by span: fewer traces are looked at."""
        some = [each.trace_id for each in seen[: facets.MAX_LOOKED_AT_FOR_TAGS]]
        wanted = _values(division)
        counts, has_more = store.tag_counts(self._tx, self._look.index, some, wanted)
        return FacetGroup(
            name=show_name(name),
            facet=Facet.TAG,
            ways=self._ways(division, facets.top(name, counts, self._limit, wanted)),
            num_looked_at=len(some),
            is_bounded=is_bounded or has_more or len(some) < len(seen),
        )

    def _ways(self, division: Division, offered: Sequence[Choice]) -> list[Way]:
        """What is offered, and what is chosen besides."""
        known = {choice.node for choice in offered}
        shown = [*offered]
        # What somebody wrote and no trace has, or what is no value that is offered, can be taken back here as well.
        shown += [facets.as_written(choice) for choice in division.chosen if choice not in known]
        return [
            Way(
                choice=choice,
                is_chosen=choice.node in division.chosen,
                query=_line(division.toggled(choice.node)),
            )
            for choice in shown
        ]


def _values(division: Division) -> frozenset[str]:
    """The values that are chosen, which are counted however rare they are."""
    values = (facets.as_written(choice).value for choice in division.chosen)
    return frozenset(value for value in values if value is not None)


def _line(node: Node | None) -> str:
    return "" if node is None else typed(node)
