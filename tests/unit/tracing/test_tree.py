from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.model import SpanKind, SpanRow, Status
from aiplatform.tracing.tree import StoredBone, figures, leaf_tokens, ordered

Parents = list[int | None]
# Each span's parent: nobody, one that never came (negative), or any other span, so that circles occur too.
parents = st.lists(st.one_of(st.none(), st.integers(-2, 12)), min_size=1, max_size=12)
tokens = st.one_of(st.none(), st.integers(0, 100))


def bone(number: int, parent: int | None, count: int | None = None) -> StoredBone:
    parent_id = None if parent is None else f"{parent % 2**64:016x}"
    return StoredBone(
        f"{number:016x}", parent_id, f"s{number}", "llm", "ok", number % 3, number * 7 % 11, number, None, None,
        count, None, None, None, None,
    )  # fmt: skip


def row(number: int, parent: int | None) -> SpanRow:
    found = bone(number, parent)
    return SpanRow(
        trace_id="t",
        span_id=found.span_id,
        parent_id=found.parent_id,
        name=found.name,
        kind=SpanKind.LLM,
        status=Status.OK,
        start_ns=found.start_ns,
        duration_ns=1,
    )


@given(parents)
def test_each_span_stands_in_the_tree_exactly_once_and_below_its_parent(given_parents: Parents) -> None:
    rows = [row(number, parent) for number, parent in enumerate(given_parents)]
    tree = ordered(rows)
    assert sorted(found.span_id for found in tree) == sorted(found.span_id for found in rows)
    path: list[SpanRow] = []
    for found in tree:
        del path[found.depth :]
        assert len(path) == found.depth
        if path:
            assert path[-1].span_id == found.parent_id
        path.append(found)
    for index, found in enumerate(tree):
        below = 0
        while index + 1 + below < len(tree) and tree[index + 1 + below].depth > found.depth:
            below += 1
        assert found.num_descendants == below


@given(parents, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_of_spans(given_parents: Parents, order: random.Random) -> None:
    bones = [bone(number, parent, number) for number, parent in enumerate(given_parents)]
    shuffled = order.sample(bones, len(bones))
    assert figures(bones) == figures(shuffled)


@given(st.lists(st.tuples(st.integers(0, 10), tokens), min_size=1, max_size=11))
def test_tokens_are_those_of_spans_with_no_counting_span_below(spec: list[tuple[int, int | None]]) -> None:
    # Parents have smaller numbers: a tree without circles, for which the slow way is obvious.
    bones = [bone(number, parent % number if number else None, count) for number, (parent, count) in enumerate(spec)]
    parent_of = {found.span_id: found.parent_id for found in bones}

    def ancestors(span_id: str) -> set[str]:
        above = parent_of[span_id]
        return set() if above is None else {above} | ancestors(above)

    counting = [found for found in bones if found.input_tokens is not None]
    covered = {span_id for found in counting for span_id in ancestors(found.span_id)}
    leaves = [found.input_tokens or 0 for found in counting if found.span_id not in covered]
    assert leaf_tokens(bones)[0] == (sum(leaves) if counting else None)


def test_an_agent_that_repeats_its_childrens_tokens_counts_once() -> None:
    spans = [bone(0, None, 30), bone(1, 0), bone(2, 1, 10), bone(3, 0, 20)]
    assert leaf_tokens(spans)[0] == 30


def test_nobody_said_is_not_zero() -> None:
    assert leaf_tokens([bone(0, None)]) == (None,) * 5
