"""The values of human review: queues, their items, and what people say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aiplatform.core.i18n import N_
from aiplatform.eval.judging.model import Estimate

MAX_LABELS: Final = 9
"""Labels of a queue at most: each has a number key."""


class ItemKind(StrEnum):
    """What an item is."""

    TRACE = "trace"
    ROW = "row"
    PAIR = "pair"


KIND_NAMES: Final = {
    ItemKind.TRACE: N_("trace"),
    ItemKind.ROW: N_("row of an evaluation"),
    ItemKind.PAIR: N_("pair of answers"),
}


class ItemFilter(StrEnum):
    """Which items of a queue are meant."""

    ALL = "all"
    MINE = "mine"
    """Those that the caller can judge and has not judged yet."""

    DONE = "done"
    CONFLICT = "conflict"
    """People said different things of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One thing that can be said."""

    name: str
    value: float | None = None
    """What it is worth; None where labels are only told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQueue:
    """What people shall judge, and by what."""

    name: str
    rubric: str = ""
    """What they shall look at, in their language."""

    labels: tuple[Label, ...] = (Label(name="pass", value=1.0), Label(name="fail", value=0.0))
    score_name: str = "human"
    """Name of the scores that traces get of it."""

    raters_per_item: int = 1
    is_blind: bool = True
    """Whether version, model and judges' verdicts are hidden until one has judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """A queue of a project."""

    queue_id: str
    project_id: str
    queue: NewQueue
    is_open: bool = True
    created_by: str = ""
    created_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an item shows: enough to judge it, whatever becomes of where it came from."""

    input: Any = None
    expected: Any = None
    output: Any = None
    other: Any = None
    """The second answer of a pair."""

    trace_id: str = ""
    run_id: str = ""
    row_id: str = ""
    version: str = ""
    """Name of the run; hidden while one judges blindly."""

    other_version: str = ""
    judged: Mapping[str, Any] = field(default_factory=dict)
    """What judges said, by scorer; hidden likewise."""

    is_swapped: bool = False
    """Whether a pair is shown the other way round, so that its place tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabel:
    """What one person said of an item."""

    rater: str
    label: str
    value: float | None = None
    comment: str = ""
    created_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One thing to judge."""

    item_id: str
    queue_id: str
    kind: ItemKind
    subject: Subject
    position: int = 0
    reason: str = ""
    """Why it was put in: `correctness 0`, `judges disagree`."""

    assigned: tuple[str, ...] = ()
    labels: tuple[HumanLabel, ...] = ()

    @property
    def is_conflict(self) -> bool:
        """Whether people said different things."""
        return len({label.label for label in self.labels}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a queue is, and how far its people agree."""

    items: int
    done: int
    """Items that enough people have judged."""

    mine: int
    """Items that the caller can still judge."""

    conflicts: int
    by_rater: Mapping[str, int] = field(default_factory=dict)
    by_label: Mapping[str, int] = field(default_factory=dict)
    alpha: Estimate | None = None
    """Krippendorff's, over items that several people judged."""

    kappa: Estimate | None = None
    """Cohen's, where exactly two people judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """Items of a queue, in their order."""

    items: tuple[ReviewItem, ...]
    next: str | None = None
