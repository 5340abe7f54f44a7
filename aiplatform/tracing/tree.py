"""The arithmetic of a trace: which span is its root, how the tree is ordered, and what its figures sum up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

from aiplatform.tracing.model import SpanKind, SpanRow, Status, Usage

TOKEN_NAMES = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


class OutlineBone(Protocol):
    """What the outline of a trace needs of a span."""

    @property
    def span_id(self) -> str: ...  # noqa: D102
    @property
    def parent_id(self) -> str | None: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def start_ns(self) -> int: ...  # noqa: D102
    @property
    def duration_ns(self) -> int | None: ...  # noqa: D102
    @property
    def service(self) -> str | None: ...  # noqa: D102


class Bone(OutlineBone, Protocol):
    """What the arithmetic needs of a span."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def day(self) -> int: ...  # noqa: D102
    @property
    def model(self) -> str | None: ...  # noqa: D102
    @property
    def input_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def output_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cache_read_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cache_write_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def reasoning_tokens(self) -> int | None: ...  # noqa: D102
    @property
    def cost(self) -> float | None: ...  # noqa: D102
    @property
    def currency(self) -> str | None: ...  # noqa: D102


class StoredBone(NamedTuple):
    """A span that rests in the store already."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str
    status: str
    day: int
    start_ns: int
    duration_ns: int | None
    service: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a trace's spans sum up to, whatever the order they came in."""

    root_span_id: str
    has_root: bool
    name: str
    status: str
    service: str | None
    start_ns: int
    end_ns: int
    num_spans: int
    num_errors: int
    tokens: tuple[int | None, ...]
    """In the order of `TOKEN_NAMES`."""

    costs: Mapping[str, float]
    """By currency; empty where no price is known."""

    models: tuple[str, ...]
    kinds: tuple[str, ...]
    first_day: int
    last_day: int


def figures(bones: Sequence[Bone]) -> Figures:
    """Sum up a trace of at least one span; no two have the same id."""
    root, has_root = root_of(bones)
    days = [bone.day for bone in bones]
    return Figures(
        root_span_id=root.span_id,
        has_root=has_root,
        name=root.name,
        status=root.status,
        service=root.service,
        start_ns=min(bone.start_ns for bone in bones),
        end_ns=max(bone.start_ns + (bone.duration_ns or 0) for bone in bones),
        num_spans=len(bones),
        num_errors=sum(1 for bone in bones if bone.status == Status.ERROR.value),
        tokens=leaf_tokens(bones),
        costs=leaf_costs(bones),
        models=tuple(sorted({bone.model for bone in bones if bone.model})),
        kinds=tuple(sorted({bone.kind for bone in bones if bone.kind != SpanKind.OTHER.value})),
        first_day=min(days),
        last_day=max(days),
    )


def root_of(bones: Iterable[Bone]) -> tuple[Bone, bool]:
    """The root, and whether it is one: the earliest without a parent, else the earliest whose parent is missing."""
    bones = list(bones)
    roots = [bone for bone in bones if bone.parent_id is None]
    if roots:
        return min(roots, key=_by_start), True
    known = {bone.span_id for bone in bones}
    orphans = [bone for bone in bones if bone.parent_id not in known]
    # Where neither exists, the parents run in a circle: some emitter is broken, and the trace is still shown.
    return min(orphans or bones, key=_by_start), False


def leaf_tokens(bones: Sequence[Bone]) -> tuple[int | None, ...]:
    """Tokens of the whole trace, in the order of `TOKEN_NAMES`.

    Parents (agents, frameworks' own model spans) repeat what their children used, so only spans without a span below
    them that counts tokens are added up.
    """
    counting = [bone for bone in bones if bone.input_tokens is not None or bone.output_tokens is not None]
    if not counting:
        return (None,) * len(TOKEN_NAMES)
    return add_tokens(*(_tokens(bone) for bone in _lowest(counting, bones)))


def leaf_costs(bones: Sequence[Bone]) -> dict[str, float]:
    """What a trace cost, by currency: spans with a cost that have none with a cost below them, added up exactly.

    Nothing is converted, and the sum does not depend on the order in which the spans came.
    """
    costing = [bone for bone in bones if bone.cost is not None]
    amounts: dict[str, list[float]] = {}
    for bone in _lowest(costing, bones):
        amounts.setdefault(bone.currency or "", []).append(bone.cost or 0.0)
    return {currency: math.fsum(amounts[currency]) for currency in sorted(amounts)}


def add_costs(*costs: Mapping[str, float]) -> dict[str, float]:
    """Costs added up currency by currency."""
    currencies = sorted({currency for cost in costs for currency in cost})
    return {currency: math.fsum(cost.get(currency, 0.0) for cost in costs) for currency in currencies}


def add_tokens(*counts: Sequence[int | None]) -> tuple[int | None, ...]:
    """Counts added up place by place; None where nobody said."""
    return tuple(
        None if all(count is None for count in column) else sum(count or 0 for count in column)
        for column in zip(*counts, strict=True)
    ) or (None,) * len(TOKEN_NAMES)


def ordered(rows: Sequence[SpanRow]) -> list[SpanRow]:
    """The rows as a tree: parents before children, siblings by start, with depth and counts filled in.

    Spans whose parent is missing stand at the top level; spans whose parents run in a circle come last, and each row
    stands exactly once whatever was sent.
    """
    found, num_children = placed(rows)
    below = descendants([depth for _, depth in found])
    return [
        _with_place(row, depth, num_children.get(row.span_id, 0), below[index])
        for index, (row, depth) in enumerate(found)
    ]


class TreeBone(Protocol):
    """What the order of a tree needs of a span."""

    @property
    def span_id(self) -> str: ...  # noqa: D102
    @property
    def parent_id(self) -> str | None: ...  # noqa: D102
    @property
    def start_ns(self) -> int: ...  # noqa: D102


T = TypeVar("T", bound=TreeBone)


def placed(rows: Sequence[T]) -> tuple[list[tuple[T, int]], dict[str, int]]:
    """The spans in the order of `ordered`, each with its depth; and how many children a span has."""
    by_id = {row.span_id: row for row in rows}
    children: dict[str | None, list[T]] = {}
    for row in by_id.values():
        parent = row.parent_id if row.parent_id in by_id and row.parent_id != row.span_id else None
        children.setdefault(parent, []).append(row)
    for siblings in children.values():
        siblings.sort(key=_by_start)
    found: list[tuple[T, int]] = []
    seen: set[str] = set()
    _place(children.get(None, []), children, found, seen)
    if len(found) < len(by_id):
        for row in sorted((row for row in by_id.values() if row.span_id not in seen), key=_by_start):
            if row.span_id not in seen:
                _place([row], children, found, seen)
    return found, {span_id: len(below) for span_id, below in children.items() if span_id is not None}


def descendants(depths: Sequence[int]) -> list[int]:
    """How many rows of a tree in its order stand below each, from their depths alone."""
    below = [0] * len(depths)
    open_: list[int] = []
    for index, depth in enumerate(depths):
        while open_ and depths[open_[-1]] >= depth:
            ended = open_.pop()
            below[ended] = index - ended - 1
        open_.append(index)
    for ended in open_:
        below[ended] = len(depths) - ended - 1
    return below


def _place(
    tops: Sequence[T], children: Mapping[str | None, list[T]], found: list[tuple[T, int]], seen: set[str]
) -> None:
    stack = [(row, 0) for row in reversed(tops)]
    while stack:
        row, depth = stack.pop()
        if row.span_id in seen:
            continue
        seen.add(row.span_id)
        found.append((row, depth))
        stack.extend((child, depth + 1) for child in reversed(children.get(row.span_id, [])))


def _with_place(row: SpanRow, depth: int, num_children: int, num_descendants: int) -> SpanRow:
    return replace(row, depth=depth, num_children=num_children, num_descendants=num_descendants)


def _lowest(chosen: Sequence[Bone], bones: Sequence[Bone]) -> list[Bone]:
    """Those of the chosen spans that have no other chosen one below them."""
    if len(chosen) <= 1:
        return list(chosen)
    parent_of = {bone.span_id: bone.parent_id for bone in bones}
    repeated: set[str] = set()
    for bone in chosen:
        above = bone.parent_id
        while above is not None and above not in repeated and above in parent_of:
            repeated.add(above)
            above = parent_of[above]
    return [bone for bone in chosen if bone.span_id not in repeated]


def usage_of(tokens: Sequence[int | None]) -> Usage:
    """Counts in the order of `TOKEN_NAMES` as a value."""
    return Usage(**dict(zip(TOKEN_NAMES, tokens, strict=True)))


def _tokens(bone: Bone) -> tuple[int | None, ...]:
    return (
        bone.input_tokens,
        bone.output_tokens,
        bone.cache_read_tokens,
        bone.cache_write_tokens,
        bone.reasoning_tokens,
    )


def _by_start(bone: TreeBone) -> tuple[int, str]:
    return bone.start_ns, bone.span_id
