"""Which cold traces meet what a filter asks of spans: group by group in the order of the list, most of them unopened.

A group is ruled out by its time, then by its filter of words and attributes, then by what the summaries of its traces
say; only then are its spans read and asked as the database's own are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import cold_files, cold_traces, traces
from aiplatform.tracing.cold.filters import may_hold, split_filters, tokens_needed
from aiplatform.tracing.cold.scratch import scratch
from aiplatform.tracing.cold.shelf import Shelf
from aiplatform.tracing.model import DAY_NS, TraceFilter, TraceSort
from aiplatform.tracing.query.tree import Node, Words, every, uses_index
from aiplatform.tracing.query.tree import Span as SpanNode
from aiplatform.tracing.store.cold import ColdFile, Group, files, filters_of, places_of
from aiplatform.tracing.store.listing import ColdMatches, filter_conditions, start_of
from aiplatform.tracing.store.mlflow_conditions import index_nodes, row_conditions
from aiplatform.tracing.store.searching import query_condition
from aiplatform.tracing.textindex.sqlite import SQLITE_INDEX

MAX_OPENED_SPANS: Final = 20_000
MAX_GROUPS: Final = 20_000
"""Spans read, and groups looked at, for one page of a list; the next page goes on from there."""

_KEPT_FILTERS: Final = 16


@dataclass(frozen=True, slots=True)
class _Place:
    file: ColdFile
    number: int
    group: Group


class ColdSearch:
    """Searches the cold traces of the project of a transaction.

    Args:
        shelf: Where files lie.
        now_ns: The moment that `now` means.
    """

    def __init__(self, shelf: Shelf, now_ns: int) -> None:
        self._shelf = shelf
        self._now_ns = now_ns
        self._filters: dict[str, list[bytes]] = {}
        self.num_groups = 0
        self.num_opened = 0
        """Groups looked at, and groups that were read."""

    def all(self, tx: Transaction, where: TraceFilter) -> ColdMatches:
        """Every match.

        Raises:
            TransientError: The artifact store is away.
        """
        found: list[str] = []
        for place in self._places(tx, where, TraceSort.OLDEST):
            found.extend(self._matches(tx, where, place)[0])
        return ColdMatches(trace_ids=found)

    def page(
        self, tx: Transaction, where: TraceFilter, *, sort: TraceSort, limit: int, page: str | None
    ) -> ColdMatches:
        """The matches of a page at least, as far as a bounded search comes.

        Args:
            tx: A transaction of the platform's database, one state of it.
            where: The filter.
            sort: Order of the list.
            limit: Traces a page.
            page: Token of the page.

        Raises:
            InvalidError: The page token is none of this order.
            TransientError: The artifact store is away.
        """
        rises = sort is TraceSort.OLDEST
        token = start_of(sort, page)
        begin_ns = token[0] if token is not None and sort is not TraceSort.SLOWEST else None
        found: list[str] = []
        num_spans = 0
        for num_groups, place in enumerate(self._places(tx, where, sort, begin_ns=begin_ns)):
            edge = place.group.first_ns - 1 if rises else place.group.last_ns + 1
            # A page has to come further than the one before.
            is_further = begin_ns is None or (edge > begin_ns if rises else edge < begin_ns)
            is_enough = sort is not TraceSort.SLOWEST and len(found) > limit
            if is_further and (is_enough or num_spans >= MAX_OPENED_SPANS or num_groups >= MAX_GROUPS):
                return ColdMatches(trace_ids=found, reached_ns=edge)
            matches, num_read = self._matches(tx, where, place)
            found.extend(matches)
            num_spans += num_read
        return ColdMatches(trace_ids=found)

    def _places(
        self, tx: Transaction, where: TraceFilter, sort: TraceSort, *, begin_ns: int | None = None
    ) -> Iterator[_Place]:
        rises = sort is TraceSort.OLDEST
        first, last = where.from_ns, where.to_ns
        if begin_ns is not None and rises:
            first = begin_ns if first is None else max(first, begin_ns)
        elif begin_ns is not None:
            last = begin_ns + 1 if last is None else min(last, begin_ns + 1)
        conditions: list[ColumnElement[bool]] = []
        if first is not None:
            conditions.append(cold_files.c.day >= first // DAY_NS)
        if last is not None:
            conditions.append(cold_files.c.day <= last // DAY_NS)
        found = [
            _Place(file, number, group)
            for file in files(tx, *conditions)
            for number, group in enumerate(file.groups)
            if (first is None or group.last_ns >= first) and (last is None or group.first_ns < last)
        ]
        found.sort(key=lambda place: place.group.first_ns if rises else -place.group.last_ns)
        return iter(found)

    def _matches(self, tx: Transaction, where: TraceFilter, place: _Place) -> tuple[Sequence[str], int]:
        """The traces of a group that meet a filter, and how many spans were read to tell."""
        self.num_groups += 1
        query = _query(where)
        needed = tokens_needed(query)
        if needed and not may_hold(self._filters_of(tx, place.file)[place.number], needed):
            return (), 0
        statement = (
            select(traces.c.trace_id)
            .join(cold_traces, cold_traces.c.trace_id == traces.c.trace_id)
            .where(
                cold_traces.c.file_id == place.file.file_id,
                cold_traces.c.group_no == place.number,
                *filter_conditions(where),
                *row_conditions(tx, where.mlflow),
            )
        )
        candidates: list[str] = [row.trace_id for row in tx.execute(statement)]
        if not candidates:
            return (), 0
        self.num_opened += 1
        return self._asked(tx, query, candidates), place.group.num_spans

    def _asked(self, tx: Transaction, query: Node, candidates: list[str]) -> list[str]:
        places = places_of(tx, candidates)
        is_indexed = uses_index(query)
        with scratch(tx, is_indexed=is_indexed) as made:
            made.fill(candidates, self._shelf.spans(tx, places, has_raw=is_indexed))
            condition = query_condition(made.tx, query, SQLITE_INDEX, now_ns=self._now_ns)
            found: Any = made.tx.execute(select(traces.c.trace_id).where(condition))
            return [row.trace_id for row in found]

    def _filters_of(self, tx: Transaction, file: ColdFile) -> list[bytes]:
        if file.file_id not in self._filters:
            if len(self._filters) >= _KEPT_FILTERS:
                self._filters.pop(next(iter(self._filters)))
            self._filters[file.file_id] = split_filters(filters_of(tx, file.file_id))
        return self._filters[file.file_id]


def _query(where: TraceFilter) -> Node:
    """Words and query of a filter as one tree."""
    parts: list[Node] = [*([] if where.query is None else [where.query]), *index_nodes(where.mlflow)]
    if where.text and where.text.strip():
        # Kept apart from the query's own words: those may be said by another span.
        return every([*parts, SpanNode(Words((where.text,)))]) if parts else Words((where.text,))
    return every(parts)
