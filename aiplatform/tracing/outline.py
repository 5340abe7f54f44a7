"""The outline of a trace: which rows its tree has and how they lie in it, without their names and figures.

A trace of 50,000 spans is drawn window by window. What a window needs to know of all the others is their order, depth
and extent in time: some 120 bytes a span, which a process keeps for the traces that were looked at last.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiplatform.tracing.model import SpanKind, Status, TraceSummary
from aiplatform.tracing.tree import OutlineBone, descendants, placed


class StoredOutlineBone(NamedTuple):
    """A span as it rests, as far as the outline goes."""

    span_id: str
    parent_id: str | None
    kind: str
    status: str
    start_ns: int
    duration_ns: int | None
    service: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The rows of a trace in the order of its tree, as columns; a row is named by its index."""

    summary: TraceSummary
    span_ids: Sequence[str]
    depths: Sequence[int]
    below: Sequence[int]
    """How many rows stand below each."""

    children: Sequence[int]
    """How many of these are its own children."""

    places: Sequence[int]
    """Which of its siblings a row is, from 1."""

    siblings: Sequence[int]
    """How many children its parent has, itself included."""

    hops: Sequence[str | None]
    """The service, where it differs from the parent's: a hop between processes."""

    errors: Sequence[int]
    """Rows that failed."""

    num_running: int
    origin_ns: int
    """The earliest start."""

    end_ns: int
    """The latest end, of spans that have one, else the latest start."""

    first: int | None
    """The row that a page opens with: the one that failed deepest, else the last call of a model, else the root."""

    def __len__(self) -> int:
        return len(self.span_ids)

    def index_of(self, span_id: str) -> int | None:
        """Where a span stands; None where it is not in this trace."""
        try:
            return self.span_ids.index(span_id)
        except ValueError:
            return None

    def indices_of(self, span_ids: Iterable[str]) -> dict[str, int]:
        """Where some spans stand, those that are not in this trace left out."""
        wanted = set(span_ids)
        return {span_id: index for index, span_id in enumerate(self.span_ids) if span_id in wanted}


def outline_of(summary: TraceSummary, bones: Sequence[OutlineBone]) -> Outline:
    """The outline of a trace from its spans, in whatever order they come."""
    rows, num_children = placed(bones)
    depths = array("i", [depth for _, depth in rows])
    places, siblings = _places(depths)
    services = {bone.span_id: bone.service for bone, _ in rows}
    errors = array("i", [index for index, (bone, _) in enumerate(rows) if bone.status == Status.ERROR.value])
    ends = [bone.start_ns + (bone.duration_ns or 0) for bone, _ in rows]
    return Outline(
        summary=summary,
        span_ids=[bone.span_id for bone, _ in rows],
        depths=depths,
        below=array("i", descendants(depths)),
        children=array("i", [num_children.get(bone.span_id, 0) for bone, _ in rows]),
        places=places,
        siblings=siblings,
        hops=[_hop(bone, services) for bone, _ in rows],
        errors=errors,
        num_running=sum(1 for bone, _ in rows if bone.duration_ns is None),
        origin_ns=min((bone.start_ns for bone, _ in rows), default=summary.start_ns),
        end_ns=max(ends, default=summary.start_ns),
        first=_first(rows, errors, depths),
    )


def _places(depths: Sequence[int]) -> tuple[array[int], array[int]]:
    """Each row's place among its siblings, and how many there are, from the depths of a tree in its order."""
    places, siblings = array("i", [0] * len(depths)), array("i", [0] * len(depths))
    open_: list[list[int]] = []  # by depth, the siblings met so far under the parent that is open
    for index, depth in enumerate(depths):
        for ended in open_[depth + 1 :]:
            _close(ended, siblings)
        del open_[depth + 1 :]
        while len(open_) <= depth:
            open_.append([])
        open_[depth].append(index)
        places[index] = len(open_[depth])
    for ended in open_:
        _close(ended, siblings)
    return places, siblings


def _close(group: Sequence[int], siblings: array[int]) -> None:
    for index in group:
        siblings[index] = len(group)


def _hop(bone: OutlineBone, services: Mapping[str, str | None]) -> str | None:
    return bone.service if bone.service and bone.service != services.get(bone.parent_id or "") else None


def _first(rows: Sequence[tuple[OutlineBone, int]], errors: Sequence[int], depths: Sequence[int]) -> int | None:
    if errors:
        return max(errors, key=lambda index: depths[index])
    calls = [index for index, (bone, _) in enumerate(rows) if bone.kind == SpanKind.LLM.value]
    return calls[-1] if calls else (0 if rows else None)
