"""Traces as examples: what was asked, what was answered, how it was judged; what a data set is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiplatform.core.scope import Scope
from aiplatform.tracing.checks import no_trace
from aiplatform.tracing.contents import answer, question
from aiplatform.tracing.model import Score, SpanDetail, TraceSummary
from aiplatform.tracing.store import examples as store
from aiplatform.tracing.store import span
from aiplatform.tracing.store.scores import scores_by_trace

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tracing.cold.service import Cold

MAX_SCORES: Final = 10_000
"""Of one read."""

_A_READ: Final = 50
"""Traces of one transaction: none is held open while thousands are decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One trace as an example."""

    trace: TraceSummary
    input: str
    """What the root was asked, whole: the last words of the user, else the telling part of its input."""

    output: str
    """What it answered, likewise."""

    scores: Sequence[Score]
    """Newest first."""


class Examples:
    """Reads examples. Thread safe.

    Args:
        database: Where traces rest.
        cold: Spans that lie elsewhere.
    """

    def __init__(self, database: Database, cold: Cold) -> None:
        self._database = database
        self._cold = cold

    def of(self, scope: Scope, trace_ids: Sequence[str]) -> Iterator[Example]:
        """Examples of some traces, in their order.

        Raises:
            NotFoundError: One of them is not in the project.
        """
        for start in range(0, len(trace_ids), _A_READ):
            part = trace_ids[start : start + _A_READ]
            with self._database.read(scope, is_snapshot=True) as tx, self._cold.whole(tx, part) as whole:
                found = store.summaries(tx, part)
                scores = scores_by_trace(tx, part, limit=MAX_SCORES)
                for trace_id in part:
                    trace = found.get(trace_id)
                    if trace is None:
                        raise no_trace(trace_id)
                    root = span(whole, trace_id, trace.root_span_id) if trace.root_span_id else None
                    yield _example(trace, root, scores.get(trace_id, ()))


def _example(trace: TraceSummary, root: SpanDetail | None, scores: Sequence[Score]) -> Example:
    asked = question(root) if root is not None else ""
    answered = answer(root) if root is not None else ""
    return Example(
        trace=trace,
        input=asked or trace.input_preview or "",
        output=answered or trace.output_preview or "",
        scores=scores,
    )
