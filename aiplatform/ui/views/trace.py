"""A trace as its page draws it: rows of the tree with their bars, and what one span shows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.content_model import Message, Passage
from aiplatform.tracing.model import SpanDetail, SpanRow, Status, TraceTree
from aiplatform.ui import formatting
from aiplatform.ui.geometry import Bar, Tick, bar_for, time_ticks

ROWS_A_PART: Final = 500
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

    span: SpanRow
    indent: int
    level: int
    bar: Bar
    label: str
    service: str | None
    """Written where it differs from the parent's: a hop between processes."""

    since_ms: int | None = None
    """When it began, while it runs: the page counts on from there. Milliseconds since 1970."""

    is_last_part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeView:
    """Some rows of a trace."""

    nodes: tuple[Node, ...]
    ticks: tuple[tuple[Tick, str], ...]
    total_ns: int
    total_label: str
    num_spans: int
    next_offset: int | None


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


def tree_view(tree: TraceTree, now_ns: int, *, offset: int = 0, limit: int = ROWS_A_PART) -> TreeView:
    """Rows `offset` to `offset + limit` of a trace, on the time of the whole trace.

    Args:
        tree: The trace.
        now_ns: Where bars of running spans end.
        offset: First row.
        limit: At most so many rows.
    """
    origin = min((span.start_ns for span in tree.spans), default=tree.summary.start_ns)
    ends = [span.end_ns or max(now_ns, span.start_ns) for span in tree.spans]
    total = max(max(ends, default=origin) - origin, tree.summary.duration_ns, 1)
    services = {span.span_id: span.service for span in tree.spans}
    part = tree.spans[offset : offset + limit]
    nodes = tuple(_node(span, services, origin, total, now_ns) for span in part)
    end = offset + len(part)
    return TreeView(
        nodes=nodes,
        ticks=tuple((tick, formatting.round_duration(tick.value)) for tick in time_ticks(total)),
        total_ns=total,
        total_label=str(formatting.duration(total)),
        num_spans=len(tree.spans),
        next_offset=end if end < len(tree.spans) else None,
    )


def is_live(tree: TraceTree, now_ns: int) -> bool:
    """Whether more of a trace is to be expected: a span runs, or the root has not arrived and the rest just did.

    What has said nothing for an hour is not waited for any longer: its process may be gone.
    """
    age_ns = now_ns - tree.summary.updated_ns
    if any(span.status is Status.RUNNING for span in tree.spans):
        return age_ns < LIVE_NS
    return not tree.summary.has_root and age_ns < ROOT_WAIT_NS


def first_span(tree: TraceTree) -> str | None:
    """The span that a page opens with: the one that failed deepest, else the last call of a model, else the root."""
    failed = [span for span in tree.spans if span.status is Status.ERROR]
    if failed:
        return max(failed, key=lambda span: span.depth).span_id
    calls = [span for span in tree.spans if span.kind.value == "llm"]
    return (calls[-1] if calls else tree.spans[0]).span_id if tree.spans else None


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


def quoted_ids(tree: TraceTree, detail: SpanDetail) -> frozenset[str]:
    """Passages that the trace's answer quotes, where the application said so in `aiplatform.citations`."""
    named: Any = detail.metadata.get("citations") or detail.attributes.get("aiplatform.citations") or ()
    return frozenset(str(each) for each in named) if isinstance(named, list | tuple) else frozenset()


def _node(span: SpanRow, services: dict[str, str | None], origin: int, total: int, now_ns: int) -> Node:
    end_ns = span.end_ns or max(now_ns, span.start_ns)
    parent_service = services.get(span.parent_id or "")
    return Node(
        span=span,
        indent=min(span.depth, MAX_DEPTH),
        level=span.depth + 1,
        bar=bar_for(span.start_ns, end_ns, origin_ns=origin, total_ns=total),
        label=str(formatting.duration(end_ns - span.start_ns)) + ("" if span.duration_ns is not None else " …"),
        since_ms=span.start_ns // 1_000_000 if span.duration_ns is None else None,
        service=span.service if span.service and span.service != parent_service else None,
    )
