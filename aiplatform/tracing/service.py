"""Use cases of tracing: take spans in, list and open traces, score them, keep the text index up, delete a scope."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import InvalidError
from aiplatform.core.hooks import hookimpl
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.storage.tables.tracing import cold_files, traces
from aiplatform.tracing import store
from aiplatform.tracing.checks import (
    checked_name,
    checked_score_id,
    checked_span_id,
    checked_trace_id,
    checked_type,
    no_span,
    no_trace,
)
from aiplatform.tracing.cold.service import FREEZE_PERIOD_S, THAW_PERIOD_S, Cold
from aiplatform.tracing.erasure import Erasure
from aiplatform.tracing.examples import Examples
from aiplatform.tracing.export import Exports
from aiplatform.tracing.facet_service import Facets
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
from aiplatform.tracing.policies import projects_of
from aiplatform.tracing.prices import Prices
from aiplatform.tracing.query.complete import Completion, choices_at, names_at, own_names, own_values, place_of
from aiplatform.tracing.query.values import storable
from aiplatform.tracing.redaction_service import Redaction
from aiplatform.tracing.retention_service import RETENTION_PERIOD_S, Retention
from aiplatform.tracing.scoring import Scoring
from aiplatform.tracing.searches import Searches
from aiplatform.tracing.sessions import Sessions
from aiplatform.tracing.store.mlflow_conditions import filter_condition, reads_index
from aiplatform.tracing.textindex import TextIndex, open_index
from aiplatform.tracing.usage_report import UsageReports

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from aiplatform.storage.artifacts import ArtifactStore
    from aiplatform.storage.database import Database, Transaction

MAX_PAGE: Final = 500
MAX_COMPLETIONS: Final = 100
INDEX_PERIOD_S: Final = 0.5


class Traces:
    """All that the platform does with traces. Thread safe; one a process.

    Args:
        database: Where spans rest.
        artifacts: Where cold spans lie; a process without one cannot reach them.
        index_path: File of the text index where the database is SQLite; by default beside the database.
        clock: What time it is.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore | None = None,
        *,
        index_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self.clock: Clock = clock or SystemClock()
        self.index: TextIndex = open_index(database, index_path)
        self.incoming = Ingest(database, self.clock)
        self.prices = Prices(database, self.clock)
        self.redaction = Redaction(database, self.clock)
        self.cold = Cold(database, artifacts, self.clock)
        self.retention = Retention(database, self.clock)
        self.exports = Exports(self, database)
        self.erasure = Erasure(self, database)
        self.sessions = Sessions(database, self.cold)
        self.examples = Examples(database, self.cold)
        self.outlines = Outlines(database, self.cold)
        self.usage = UsageReports(database, self.clock)
        self.scoring = Scoring(self, database)
        self.facets = Facets(self)
        self.searches = Searches(database, self.clock)

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
        is_indexed = has_text or reads_index(where.query, where.mlflow)
        if is_indexed:
            self.update_index()
        matches = None
        if has_text:
            matches = self.index.search(scope, where.text or "", from_ns=where.from_ns, to_ns=where.to_ns)
        with self._reading(scope, where) as (tx, condition):
            cold = self.cold.page(tx, where, sort=sort, limit=limit, page=page)
            found = store.list_traces(
                tx, where, matches=matches, sort=sort, limit=limit, page=page, condition=condition, cold=cold
            )
        found = replace(found, reached_ns=cold.reached_ns if cold is not None else None)
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
        trace_id = checked_trace_id(trace_id)
        with self._database.read(scope, is_snapshot=True) as tx:
            tree = store.tree(tx, trace_id)
            if tree is not None and len(tree.spans) < tree.summary.num_spans:  # a hot trace pays nothing for the cold
                with self.cold.whole(tx, [trace_id]) as whole:
                    tree = store.tree(whole, trace_id, is_cold=whole is not tx)
        if tree is None:
            raise no_trace(trace_id)
        return tree

    def summary(self, scope: Scope, trace_id: str) -> TraceSummary:
        """A trace without its spans.

        Raises:
            NotFoundError: There is no such trace here.
        """
        trace_id = checked_trace_id(trace_id)
        with self._database.read(scope) as tx:
            found = store.summary(tx, trace_id)
        if found is None:
            raise no_trace(trace_id)
        return found

    def outline(self, scope: Scope, trace_id: str) -> Outline:
        """Which rows a trace's tree has and how they lie, for pages that draw it window by window.

        Raises:
            NotFoundError: There is no such trace here.
        """
        trace_id = checked_trace_id(trace_id)
        found = self.outlines.get(scope, trace_id)
        if found is None:
            raise no_trace(trace_id)
        return found

    def span(self, scope: Scope, trace_id: str, span_id: str) -> SpanDetail:
        """Everything about one span, decoded from its raw bytes.

        Raises:
            NotFoundError: There is no such span here.
        """
        trace_id, span_id = checked_trace_id(trace_id), checked_span_id(span_id)
        with self._database.read(scope, is_snapshot=True) as tx:
            detail = store.span(tx, trace_id, span_id)
            if detail is None:
                with self.cold.whole(tx, [trace_id]) as whole:
                    detail = store.span(whole, trace_id, span_id)
        if detail is None:
            raise no_span(span_id, trace_id)
        return detail

    def histogram(
        self, scope: Scope, where: TraceFilter, *, from_ns: int, to_ns: int, num_buckets: int = 60
    ) -> Sequence[tuple[int, int]]:
        """Traces begun in each of `num_buckets` equal slices of [from, to): (without errors, with errors)."""
        matches = None
        if where.text and where.text.strip():
            self.update_index()
            matches = self.index.search(scope, where.text, from_ns=from_ns, to_ns=to_ns)
        with self._reading(scope, where) as (tx, condition):
            return store.histogram(
                tx,
                where,
                matches=matches,
                from_ns=from_ns,
                to_ns=to_ns,
                num_buckets=num_buckets,
                condition=condition,
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
            score_id=checked_score_id(score_id) if score_id else new_id("score", self.clock.now_ns()),
            trace_id=checked_trace_id(trace_id),
            span_id=checked_span_id(span_id) if span_id else None,
            name=checked_name(name),
            type=checked_type(value, type),
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
                raise no_trace(score.trace_id)
            store.put_score(tx, score)
        return score

    def scores(
        self, scope: Scope, *, trace_ids: Iterable[str] | None = None, name: str | None = None, limit: int = 1000
    ) -> Sequence[Score]:
        """Scores of some traces or of all, newest first."""
        wanted = None if trace_ids is None else [checked_trace_id(trace_id) for trace_id in trace_ids]
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
        """The worker's share: the index, figures of traces too large to be summed at once, what is old or too old."""
        return [
            ("tracing.index", INDEX_PERIOD_S, self.update_index),
            ("tracing.settle", 5.0, self.settle),
            ("tracing.retention", RETENTION_PERIOD_S, self.retention.run),
            ("tracing.thaw", THAW_PERIOD_S, self.cold.thaw_waiting),
            ("tracing.freeze", FREEZE_PERIOD_S, self.cold.run),
        ]

    def settle(self) -> int:
        """Sum up large traces whose figures were only carried forward on arrival; returns how many."""
        return store.settle(self._database)

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Remove every span, trace and score of a tenant, or of one project of it."""
        self.index.delete(scope)
        whole_tenant = scope.project_id is None
        tables = (traces, cold_files)
        projects = [*projects_of(self._database, scope.tenant_id, *tables)] if whole_tenant else [scope]
        with self._database.transaction(scope) as tx:
            had_files = store.has_files(tx)
            store.delete_scope(tx)
            store.remove_policies(tx)
            store.remove_counts(tx)
            store.remove_searches(tx)
        if had_files:
            self.cold.delete_files(projects)

    @contextmanager
    def _reading(self, scope: Scope, where: TraceFilter) -> Iterator[tuple[Transaction, ColumnElement[bool] | None]]:
        """A transaction that reads, and the condition of the filter's query in it."""
        if where.query is None and not where.mlflow:
            with self._database.read(scope, is_snapshot=bool(where.text)) as tx:
                yield tx, None
            return
        with self.index.reader().read(scope, is_snapshot=True) as tx:
            yield tx, filter_condition(tx, where.query, where.mlflow, self.index.sql, now_ns=self.clock.now_ns())

    def close(self) -> None:
        """Commit what waits, then let go of files and threads."""
        self.incoming.close()
        self.index.close()
