"""A trace as its page draws it: rows of the tree with their bars, and what one span shows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.axes import Tick
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tracing.content_model import Message, Passage
from aiplatform.tracing.model import SpanDetail, SpanRow
from aiplatform.tracing.outline import Outline
from aiplatform.ui import formatting
from aiplatform.ui.geometry import Bar, bar_for, time_ticks

ROWS_A_WINDOW: Final = 200
MAX_ROWS: Final = 400
"""Rows of one answer."""

MAX_DEPTH: Final = 8
"""Levels that are indented; deeper ones stand at the same indent and say their level."""

LIVE_NS: Final = 3_600_000_000_000
ROOT_WAIT_NS: Final = 300_000_000_000
SHOWN_MESSAGES: Final = 3
ROLE_NAMES: Final = {
    "system": N_("system"),
    "developer": N_("developer"),
    "user": N_("user"),
    "assistant": N_("assistant"),
    "tool": N_("tool"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One row of tree and waterfall."""

    index: int
    span: SpanRow
    indent: int
    level: int
    place: int
    """Which of its siblings it is, from 1."""

    siblings: int
    bar: Bar
    label: str
    service: str | None
    """Written where it differs from the parent's: a hop between processes."""

    since_ms: int | None = None
    """When it began, while it runs: the page counts on from there. Milliseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAxis:
    """The time of a whole trace, on which every row is drawn."""

    origin_ns: int
    total_ns: int
    total_label: str
    ticks: tuple[tuple[Tick, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some rows of a trace that follow each other."""

    nodes: tuple[Node, ...]
    axis: TimeAxis
    num_spans: int
    first: int
    """Index of the first row."""

    earlier: int | None
    """Where the rows before begin; None at the top."""

    later: int | None
    """Where the rows after begin; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Messages of a call: the long middle is folded."""

    first: tuple[Message, ...]
    folded: tuple[Message, ...]
    last: tuple[Message, ...]

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.first) + len(self.folded) + len(self.last)


def axis_of(outline: Outline, now_ns: int) -> TimeAxis:
    """The time that a trace takes, up to now where a span of it runs."""
    end_ns = max(outline.end_ns, now_ns) if outline.num_running else outline.end_ns
    total = max(end_ns - outline.origin_ns, outline.summary.duration_ns, 1)
    return TimeAxis(
        origin_ns=outline.origin_ns,
        total_ns=total,
        total_label=str(formatting.duration(total)),
        ticks=tuple((tick, formatting.round_duration(tick.value)) for tick in time_ticks(total)),
    )


def nodes_of(
    outline: Outline, rows: Sequence[SpanRow], indices: Sequence[int], axis: TimeAxis, now_ns: int
) -> tuple[Node, ...]:
    """Rows as they are drawn.

    Args:
        outline: Of the trace.
        rows: Of the trace, some of those that were asked for by `indices`.
        indices: Where rows stand.
        axis: The time of the trace.
        now_ns: Where bars of running spans end.
    """
    by_id = {row.span_id: row for row in rows}
    return tuple(
        _node(outline, index, by_id[span_id], axis, now_ns)
        for index in indices
        if (span_id := outline.span_ids[index]) in by_id
    )


def window_at(index: int | None, num_spans: int) -> range:
    """The rows that a page begins with: the window in which the chosen one stands."""
    first = (index or 0) // ROWS_A_WINDOW * ROWS_A_WINDOW
    return range(first, min(first + ROWS_A_WINDOW, num_spans))


def indices_in(text: str, num_spans: int) -> list[int]:
    """The rows that an address asks for, such as `0-199,300`: those there are, at most `MAX_ROWS`, each once.

    Raises:
        InvalidError: It is no list of rows.
    """
    found: dict[int, None] = {}
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if not (first.isascii() and first.isdigit() and len(first) < 10 and (not last or last.isascii())):
            raise _no_rows(text)
        if last and not (last.isdigit() and len(last) < 10):
            raise _no_rows(text)
        start, end = int(first), min(int(last or first), num_spans - 1)
        found.update(dict.fromkeys(range(start, min(end + 1, start + MAX_ROWS))))
    return list(found)[:MAX_ROWS]


def is_live(outline: Outline, now_ns: int) -> bool:
    """Whether more of a trace is to be expected: a span runs, or the root has not arrived and the rest just did.

    What has said nothing for an hour is not waited for any longer: its process may be gone.
    """
    age_ns = now_ns - outline.summary.updated_ns
    if outline.num_running:
        return age_ns < LIVE_NS
    return not outline.summary.has_root and age_ns < ROOT_WAIT_NS


def turns_of(messages: Sequence[Message]) -> Turns:
    """More than three messages: the first and the last two are shown, the rest is folded."""
    if len(messages) <= SHOWN_MESSAGES:
        return Turns(first=tuple(messages), folded=(), last=())
    return Turns(first=tuple(messages[:1]), folded=tuple(messages[1:-2]), last=tuple(messages[-2:]))


def best_score(passages: Sequence[Passage]) -> float:
    """What the longest bar of passages stands for: 1 where scores are shares, else the highest."""
    scores = [passage.score for passage in passages if passage.score is not None]
    top = max(scores, default=1.0)
    return 1.0 if 0 < top <= 1.0 else max(top, 1e-9)


def quoted_ids(detail: SpanDetail) -> frozenset[str]:
    """Passages that the trace's answer quotes, where the application said so in `aiplatform.citations`."""
    named: Any = detail.metadata.get("citations") or detail.attributes.get("aiplatform.citations") or ()
    return frozenset(str(each) for each in named) if isinstance(named, list | tuple) else frozenset()


def _node(outline: Outline, index: int, span: SpanRow, axis: TimeAxis, now_ns: int) -> Node:
    end_ns = span.end_ns or max(now_ns, span.start_ns)
    return Node(
        index=index,
        span=span,
        indent=min(span.depth, MAX_DEPTH),
        level=span.depth + 1,
        place=outline.places[index],
        siblings=outline.siblings[index],
        bar=bar_for(span.start_ns, end_ns, origin_ns=axis.origin_ns, total_ns=axis.total_ns),
        label=str(formatting.duration(end_ns - span.start_ns)) + ("" if span.duration_ns is not None else " …"),
        since_ms=span.start_ns // 1_000_000 if span.duration_ns is None else None,
        service=outline.hops[index],
    )


def _no_rows(text: str) -> InvalidError:
    return InvalidError(N_("{text!r} names no rows of a trace."), hint=N_("Ask like this: 0-199,300."), text=text[:80])
