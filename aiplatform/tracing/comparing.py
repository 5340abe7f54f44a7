"""Two traces compared: their trees laid over each other, and for each pair of spans what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.alignment import Pair, align
from aiplatform.tracing.contents import input_text, output_text
from aiplatform.tracing.model import SpanDetail, TraceTree
from aiplatform.tracing.textdiff import Change, Piece, diff

if TYPE_CHECKING:
    from aiplatform.tracing.service import Traces

MAX_SPANS: Final = 10_000
"""Spans of a trace that can be compared."""


class Difference(StrEnum):
    """Where two spans of a pair differ."""

    MISSING = "missing"
    """Only one of the traces has it."""

    STATUS = "status"
    """One failed and the other did not."""

    MODEL = "model"
    TOKENS = "tokens"
    TIME = "time"
    """One took at least twice as long, and half a second more."""


DIFFERENCE_NAMES: Final = {
    Difference.MISSING: N_("only in one"),
    Difference.STATUS: N_("error"),
    Difference.MODEL: N_("model"),
    Difference.TOKENS: N_("tokens"),
    Difference.TIME: N_("time"),
}
_SLOWER_NS: Final = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceComparison:
    """Two traces side by side."""

    a: TraceTree
    b: TraceTree
    pairs: Sequence[Pair]

    @property
    def num_different(self) -> int:
        """Pairs that differ in more than their time."""
        return sum(1 for pair in self.pairs if set(differences(pair)) - {Difference.TIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChange:
    """What a pair of spans says, compared."""

    input: Sequence[Piece] = field(default_factory=list)
    output: Sequence[Piece] = field(default_factory=list)

    @property
    def is_input_changed(self) -> bool:
        """Whether something else went in."""
        return any(piece.change is not Change.SAME for piece in self.input)

    @property
    def is_output_changed(self) -> bool:
        """Whether something else came out."""
        return any(piece.change is not Change.SAME for piece in self.output)


def compare(traces: Traces, scope: Scope, a: str, b: str) -> TraceComparison:
    """Lay two traces of a project over each other.

    Raises:
        NotFoundError: One of them is not there.
        InvalidError: One of them has too many spans.
    """
    first, second = traces.get(scope, a), traces.get(scope, b)
    for tree in (first, second):
        if len(tree.spans) > MAX_SPANS:
            raise InvalidError(
                N_("Trace {trace_id!r} has {num_spans} spans; traces of at most {limit} are compared."),
                reason="tracing.too_large_to_compare",
                trace_id=tree.summary.trace_id,
                num_spans=len(tree.spans),
                limit=MAX_SPANS,
            )
    return TraceComparison(a=first, b=second, pairs=align(first.spans, second.spans))


def differences(pair: Pair) -> tuple[Difference, ...]:
    """In what the two spans of a pair differ, their content aside."""
    a, b = pair.a, pair.b
    if a is None or b is None:
        return (Difference.MISSING,)
    found = []
    if a.status != b.status:
        found.append(Difference.STATUS)
    if a.model != b.model:
        found.append(Difference.MODEL)
    if a.usage.total_tokens != b.usage.total_tokens:
        found.append(Difference.TOKENS)
    slow, fast = max(a.duration_ns or 0, b.duration_ns or 0), min(a.duration_ns or 0, b.duration_ns or 0)
    if slow - fast >= _SLOWER_NS and slow >= 2 * fast:
        found.append(Difference.TIME)
    return tuple(found)


def content_change(traces: Traces, scope: Scope, compared: TraceComparison, index: int) -> ContentChange:
    """What the spans of pair number `index` say, compared; a span that is not there says nothing.

    Raises:
        NotFoundError: There is no such pair.
    """
    if not 0 <= index < len(compared.pairs):
        raise NotFoundError(N_("There is no pair number {index}."), reason="tracing.no_pair", index=index)
    pair = compared.pairs[index]

    def detail(trace_id: str, span_id: str | None) -> SpanDetail | None:
        return traces.span(scope, trace_id, span_id) if span_id is not None else None

    a = detail(compared.a.summary.trace_id, pair.a.span_id if pair.a else None)
    b = detail(compared.b.summary.trace_id, pair.b.span_id if pair.b else None)
    return ContentChange(
        input=diff(input_text(a) if a else "", input_text(b) if b else ""),
        output=diff(output_text(a) if a else "", output_text(b) if b else ""),
    )
