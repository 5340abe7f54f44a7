"""Traces window by window: outlines are kept while they do not change, and rows are fetched as they are seen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiplatform.core.scope import Scope
from aiplatform.tracing.model import SpanRow, TraceSummary
from aiplatform.tracing.outline import Outline, outline_of
from aiplatform.tracing.store.outlining import outline_bones, spans_of, spans_with
from aiplatform.tracing.store.reading import summary

if TYPE_CHECKING:
    from aiplatform.storage.database import Database, Transaction
    from aiplatform.tracing.cold.service import Cold

MAX_KEPT_SPANS: Final = 200_000
"""Rows of all outlines that a process keeps; about 25 MB."""

MAX_KEPT: Final = 64


class Outlines:
    """Outlines of traces of any project. Thread safe.

    Args:
        database: Where spans rest.
        cold: Spans that lie elsewhere.
        max_kept_spans: Rows of all outlines that are kept.
    """

    def __init__(self, database: Database, cold: Cold, *, max_kept_spans: int = MAX_KEPT_SPANS) -> None:
        self._database = database
        self._cold = cold
        self._max_kept_spans = max_kept_spans
        self._kept: OrderedDict[tuple[str, str | None, str], Outline] = OrderedDict()
        self._lock = threading.Lock()
        """Guards what is kept."""

    def get(self, scope: Scope, trace_id: str) -> Outline | None:
        """The outline of a trace as it stands now; None where there is no such trace here.

        Args:
            scope: Tenant and project.
            trace_id: 32 lower-case hexadecimal digits.
        """
        with self._database.read(scope, is_snapshot=True) as tx:
            found = summary(tx, trace_id)
            if found is None:
                return None
            key = (scope.tenant_id, scope.project_id, trace_id)
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None:
                    self._kept.move_to_end(key)
            if kept is not None and _version(kept.summary) == _version(found):
                found = replace(found, is_cold=kept.summary.is_cold)
                # Figures and prices change without the tree: the summary is always the one of now.
                return kept if kept.summary == found else replace(kept, summary=found)
            made = self._made(tx, found)
        self._keep(key, made)
        return made

    def rows(self, scope: Scope, outline: Outline, indices: Sequence[int]) -> list[SpanRow]:
        """Rows of a trace, with their place in the tree filled in.

        A row that went meanwhile is left out; the page asks for the outline again and sees the rest.

        Args:
            scope: Tenant and project.
            outline: Of the trace.
            indices: Which rows, each from 0 to `len(outline)`.
        """
        wanted = [outline.span_ids[index] for index in indices]
        with self._reading(scope, outline) as tx:
            found = spans_of(tx, outline.summary, wanted)
        return [
            replace(
                found[span_id],
                depth=outline.depths[index],
                num_children=outline.children[index],
                num_descendants=outline.below[index],
            )
            for index, span_id in zip(indices, wanted, strict=True)
            if span_id in found
        ]

    def find(self, scope: Scope, outline: Outline, words: str) -> list[int]:
        """Rows in whose name, model, service or error a text stands, whatever its case."""
        with self._reading(scope, outline) as tx:
            found = spans_with(tx, outline.summary, words)
        return sorted(outline.indices_of(found).values())

    def _made(self, tx: Transaction, found: TraceSummary) -> Outline:
        bones = outline_bones(tx, found)
        if len(bones) >= found.num_spans:
            return outline_of(found, bones)
        with self._cold.whole(tx, [found.trace_id]) as whole:
            return outline_of(replace(found, is_cold=whole is not tx), outline_bones(whole, found))

    @contextmanager
    def _reading(self, scope: Scope, outline: Outline) -> Iterator[Transaction]:
        """A transaction that sees all spans of a trace. It may have become cold since, or hot."""
        with (
            self._database.read(scope, is_snapshot=True) as tx,
            self._cold.whole(tx, [outline.summary.trace_id]) as whole,
        ):
            yield whole

    def _keep(self, key: tuple[str, str | None, str], outline: Outline) -> None:
        if len(outline) > self._max_kept_spans:
            return
        with self._lock:
            self._kept[key] = outline
            self._kept.move_to_end(key)
            num_spans = sum(len(each) for each in self._kept.values())
            while num_spans > self._max_kept_spans or len(self._kept) > MAX_KEPT:
                _, gone = self._kept.popitem(last=False)
                num_spans -= len(gone)


def _version(found: TraceSummary) -> tuple[int, int]:
    return found.updated_ns, found.num_spans
