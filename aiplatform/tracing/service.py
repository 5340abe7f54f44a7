"""Use cases of tracing: take spans in, list and open traces, score them, keep the text index up, delete a scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.hooks import hookimpl
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.tracing import store
from aiplatform.tracing.erasure import Erasure
from aiplatform.tracing.export import Exports
from aiplatform.tracing.ingest import Ingest
from aiplatform.tracing.model import (
    Freshness,
    IngestResult,
    Score,
    ScoreSource,
    ScoreType,
    ScoreValue,
    SpanDetail,
    TraceFilter,
    TracePage,
    TraceSort,
    TraceSummary,
    TraceTree,
)
from aiplatform.tracing.otlp import read_request
from aiplatform.tracing.outline import Outline
from aiplatform.tracing.outlines import Outlines
from aiplatform.tracing.prices import Prices
from aiplatform.tracing.query.complete import Completion, choices_at, names_at, own_names, own_values, place_of
from aiplatform.tracing.query.tree import uses_index
from aiplatform.tracing.query.values import storable
from aiplatform.tracing.redaction_service import Redaction
from aiplatform.tracing.retention_service import RETENTION_PERIOD_S, Retention
from aiplatform.tracing.scoring import Scoring
from aiplatform.tracing.sessions import Sessions
from aiplatform.tracing.textindex import TextIndex, open_index
from aiplatform.tracing.usage_report import UsageReports

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from aiplatform.storage.database import Database, Transaction

MAX_PAGE: Final = 500
MAX_COMPLETIONS: Final = 100
INDEX_PERIOD_S: Final = 0.5
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")


class Traces:
    """All that the platform does with traces. Thread safe; one a process.

    Args:
        database: Where spans rest.
        index_path: File of the text index where the database is SQLite; by default beside the database.
        clock: What time it is.
    """

    def __init__(self, database: Database, *, index_path: Path | None = None, clock: Clock | None = None) -> None:
        self._database = database
        self.clock: Clock = clock or SystemClock()
        self.index: TextIndex = open_index(database, index_path)
        self.incoming = Ingest(database, self.clock)
        self.prices = Prices(database, self.clock)
        self.redaction = Redaction(database, self.clock)
        self.exports = Exports(self, database)
        self.retention = Retention(database, self.clock)
        self.erasure = Erasure(self, database)
        self.sessions = Sessions(database)
        self.outlines = Outlines(database)
        self.usage = UsageReports(database, self.clock)
        self.scoring = Scoring(self, database)

    def ingest(self, scope: Scope, request: bytes) -> IngestResult:
        """Store the spans of an OTLP export request (protobuf); returns when they are committed.

        Raises:
            InvalidError: The bytes are no export request.
            TransientError: The database cannot be reached; nothing was acknowledged.
        """
        export = read_request(scope, request, now_ns=self.clock.now_ns(), redactor_of=self.redaction.of)
        return self.incoming.submit(export).result()

    def list(
        self,
        scope: Scope,
        where: TraceFilter | None = None,
        *,
        sort: TraceSort = TraceSort.NEWEST,
        limit: int = 50,
        page: str | None = None,
    ) -> TracePage:
        """A page of traces.

        Args:
            scope: Tenant and project.
            where: What to narrow to.
            sort: Order.
            limit: Traces a page, 1 to 500.
            page: The `next` of the page before.

        Raises:
            InvalidError: The page token or the limit is not one.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidError(N_("A page cannot hold {limit!r} traces."), hint=N_("Ask for 1 to 500."), limit=limit)
        where = where or TraceFilter()
        has_text = bool(where.text and where.text.strip())
        is_indexed = has_text or (where.query is not None and uses_index(where.query))
        if is_indexed:
            self.update_index()
        matches = None
        if has_text:
            matches = self.index.search(scope, where.text or "", from_ns=where.from_ns, to_ns=where.to_ns)
        with self._reading(scope, where) as (tx, condition):
            found = store.list_traces(
                tx, where, matches=matches, sort=sort, limit=limit, page=page, condition=condition
            )
        if not is_indexed:
            return found
        return store.with_search(found, freshness=self.freshness(scope), is_cut=matches is not None and matches.is_cut)

    def complete(self, scope: Scope, text: str, at: int | None = None, *, limit: int = 20) -> Completion:
        """Ways to go on with a query that is being typed: fields, names and values that this project has.

        Args:
            scope: Tenant and project.
            text: The query as far as it is written.
            at: Where the cursor stands, in characters; by default at its end.
            limit: Suggestions at most, 1 to 100.

        Raises:
            InvalidError: The limit is not one.
        """
        if not 1 <= limit <= MAX_COMPLETIONS:
            raise InvalidError(N_("There are 1 to 100 suggestions, not {limit!r}."), limit=limit)
        at = len(text) if at is None else max(0, min(at, len(text)))
        place = place_of(storable(text), at)
        if place is None:
            return Completion(start=at, end=at, items=())
        items = choices_at(place)
        if items is None and place.name is None and place.space is None:
            items = names_at(place, after_has=text[: place.start].lower().endswith("has:"))
        if items is None:
            with self.index.reader().read(scope) as tx:
                if place.space is not None:
                    names = store.seen_names(tx, self.index.sql, place.space, place.typed, limit)
                    items = own_names(place.space, names)
                elif place.name is not None:
                    items = own_values(store.seen_values(tx, self.index.sql, place.name, place.typed, limit))
        return Completion(start=place.start, end=place.end, items=tuple((items or [])[:limit]))

    def get(self, scope: Scope, trace_id: str) -> TraceTree:
        """A trace with its tree and its scores.

        Raises:
            NotFoundError: There is no such trace here.
        """
        trace_id = _checked_trace_id(trace_id)
        with self._database.read(scope) as tx:
            tree = store.tree(tx, trace_id)
        if tree is None:
            raise _no_trace(trace_id)
        return tree

    def summary(self, scope: Scope, trace_id: str) -> TraceSummary:
        """A trace without its spans.

        Raises:
            NotFoundError: There is no such trace here.
        """
        trace_id = _checked_trace_id(trace_id)
        with self._database.read(scope) as tx:
            found = store.summary(tx, trace_id)
        if found is None:
            raise _no_trace(trace_id)
        return found

    def outline(self, scope: Scope, trace_id: str) -> Outline:
        """Which rows a trace's tree has and how they lie, for pages that draw it window by window.

        Raises:
            NotFoundError: There is no such trace here.
        """
        trace_id = _checked_trace_id(trace_id)
        found = self.outlines.get(scope, trace_id)
        if found is None:
            raise _no_trace(trace_id)
        return found

    def span(self, scope: Scope, trace_id: str, span_id: str) -> SpanDetail:
        """Everything about one span, decoded from its raw bytes.

        Raises:
            NotFoundError: There is no such span here.
        """
        trace_id, span_id = _checked_trace_id(trace_id), _checked_span_id(span_id)
        with self._database.read(scope) as tx:
            detail = store.span(tx, trace_id, span_id)
        if detail is None:
            raise _no_span(span_id, trace_id)
        return detail

    def histogram(
        self, scope: Scope, where: TraceFilter, *, from_ns: int, to_ns: int, num_buckets: int = 60
    ) -> Sequence[tuple[int, int]]:
        """Traces begun in each of `num_buckets` equal slices of [from, to): (without errors, with errors).

        Words of the filter are left out of the count, all its other fields hold.
        """
        with self._reading(scope, where) as (tx, condition):
            return store.histogram(
                tx, where, from_ns=from_ns, to_ns=to_ns, num_buckets=num_buckets, condition=condition
            )

    def add_score(
        self,
        scope: Scope,
        *,
        trace_id: str,
        name: str,
        value: ScoreValue,
        source: ScoreSource,
        principal: str,
        span_id: str | None = None,
        type: ScoreType | None = None,  # noqa: A002 - the field's name
        comment: str | None = None,
        score_id: str | None = None,
    ) -> Score:
        """Judge a trace or a span. The same `score_id` again replaces the score.

        The trace need not have arrived yet: evaluation may be faster than export.

        Args:
            type: By default what the value is: boolean, numeric, or label.

        Raises:
            InvalidError: Name, value or ids are wrong.
            NotFoundError: The trace was erased.
        """
        score = Score(
            score_id=_checked_score_id(score_id) if score_id else new_id("score", self.clock.now_ns()),
            trace_id=_checked_trace_id(trace_id),
            span_id=_checked_span_id(span_id) if span_id else None,
            name=_checked_name(name),
            type=_checked_type(value, type),
            value=value,
            source=source,
            comment=comment,
            principal=principal,
            created_ns=self.clock.now_ns(),
        )
        redactor = self.redaction.of(scope)
        if redactor is not None:
            score = redactor.score(score)
        with self._database.transaction(scope) as tx:
            if store.is_erased(tx, score.trace_id):
                raise _no_trace(score.trace_id)
            store.put_score(tx, score)
        return score

    def scores(
        self, scope: Scope, *, trace_ids: Iterable[str] | None = None, name: str | None = None, limit: int = 1000
    ) -> Sequence[Score]:
        """Scores of some traces or of all, newest first."""
        wanted = None if trace_ids is None else [_checked_trace_id(trace_id) for trace_id in trace_ids]
        with self._database.read(scope) as tx:
            return store.scores(tx, trace_ids=wanted, name=name, limit=limit)

    def freshness(self, scope: Scope) -> Freshness:
        """How far the text index is behind what this scope has written."""
        with self._database.read(scope) as tx:
            return store.freshness(tx, self.clock.now_ns())

    def update_index(self) -> int:
        """Bring the text index up to what is committed; returns how many spans it took in.

        The worker calls this again and again; a search calls it too, so that what was just written is found.
        """
        return self.index.update()

    @hookimpl
    def periodic(self) -> Iterable[tuple[str, float, Callable[[], Any]]]:
        """The worker's share: the text index, figures of traces too large to be summed at once, what is too old."""
        return [
            ("tracing.index", INDEX_PERIOD_S, self.update_index),
            ("tracing.settle", 5.0, self.settle),
            ("tracing.retention", RETENTION_PERIOD_S, self.retention.run),
        ]

    def settle(self) -> int:
        """Sum up large traces whose figures were only carried forward on arrival; returns how many."""
        return store.settle(self._database)

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Remove every span, trace and score of a tenant, or of one project of it."""
        self.index.delete(scope)
        with self._database.transaction(scope) as tx:
            store.delete_scope(tx)
            store.remove_policies(tx)
            store.remove_counts(tx)

    @contextmanager
    def _reading(self, scope: Scope, where: TraceFilter) -> Iterator[tuple[Transaction, ColumnElement[bool] | None]]:
        """A transaction that reads, and the condition of the filter's query in it."""
        if where.query is None:
            with self._database.read(scope) as tx:
                yield tx, None
            return
        with self.index.reader().read(scope) as tx:
            yield tx, store.query_condition(tx, where.query, self.index.sql, now_ns=self.clock.now_ns())

    def close(self) -> None:
        """Commit what waits, then let go of files and threads."""
        self.incoming.close()
        self.index.close()


def _checked_trace_id(value: str) -> str:
    return _checked_hex(value.removeprefix("tr-"), _TRACE_ID, N_("{value!r} is not a trace id: 32 hexadecimal digits."))


def _checked_span_id(value: str) -> str:
    return _checked_hex(value, _SPAN_ID, N_("{value!r} is not a span id: 16 hexadecimal digits."))


def _checked_hex(value: str, pattern: re.Pattern[str], message: str) -> str:
    lowered = value.strip().lower().replace("-", "")
    if not pattern.fullmatch(lowered):
        raise InvalidError(message, reason="tracing.bad_id", value=value)
    return lowered


def _checked_score_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
        raise InvalidError(
            N_("{value!r} is not a score id."),
            hint=N_("Use 1 to 64 letters, digits and . _ : -"),
            value=value,
        )
    return value


def _checked_name(name: str) -> str:
    if not 1 <= len(name.strip()) <= 200:
        raise InvalidError(N_("A score needs a name of 1 to 200 characters."))
    return name.strip()


def _checked_type(value: ScoreValue, wanted: ScoreType | None) -> ScoreType:
    if isinstance(value, bool):
        natural = {ScoreType.BOOLEAN}
    elif isinstance(value, str):
        natural = {ScoreType.LABEL, ScoreType.TEXT}
    else:
        natural = {ScoreType.NUMERIC}
        if value != value or value in {float("inf"), float("-inf")}:
            raise InvalidError(N_("A score cannot be {value!r}."), value=value)
    if wanted is not None and wanted not in natural:
        raise InvalidError(
            N_("{value!r} is not a {type} score."),
            hint=N_("Leave the type out to take the value's own."),
            value=value,
            type=str(wanted),
        )
    if wanted is not None:
        return wanted
    return ScoreType.LABEL if isinstance(value, str) else next(iter(natural))


def _no_trace(trace_id: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no trace {trace_id!r} in this project."),
        hint=N_("It may still be on its way, or belong to another project."),
        reason="tracing.no_trace",
        trace_id=trace_id,
    )


def _no_span(span_id: str, trace_id: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no span {span_id!r} in trace {trace_id!r}."),
        reason="tracing.no_span",
        span_id=span_id,
        trace_id=trace_id,
    )
