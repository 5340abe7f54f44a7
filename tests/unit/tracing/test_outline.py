"""The outline of a trace says of every row what the whole tree says of it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.testing.traces import summary_of_rows
from aiplatform.tracing.model import SpanKind, SpanRow, Status
from aiplatform.tracing.outline import outline_of
from aiplatform.tracing.tree import descendants, ordered

spans = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-2, 12)),  # parent: nobody, one that never came, any other
        st.sampled_from(Status),
        st.sampled_from((SpanKind.LLM, SpanKind.OTHER)),
        st.sampled_from(("a", "b", None)),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=13,
)
Given = list[tuple[int | None, Status, SpanKind, str | None, int]]


def rows_of(given_spans: Given) -> list[SpanRow]:
    return [
        SpanRow(
            trace_id="t", span_id=f"{number:016x}", parent_id=None if parent is None else f"{parent % 2**64:016x}",
            name=str(number), kind=kind, status=status, start_ns=start, service=service,
            duration_ns=None if status is Status.RUNNING else number,
        )
        for number, (parent, status, kind, service, start) in enumerate(given_spans)
    ]  # fmt: skip


@given(spans)
def test_every_row_lies_where_the_whole_tree_has_it(given_spans: Given) -> None:
    rows = rows_of(given_spans)
    tree = ordered(rows)
    outline = outline_of(summary_of_rows(rows), list(reversed(rows)))
    assert list(outline.span_ids) == [row.span_id for row in tree]
    assert list(outline.depths) == [row.depth for row in tree]
    assert list(outline.below) == [row.num_descendants for row in tree]
    assert list(outline.children) == [row.num_children for row in tree]
    assert [tree[index].status for index in outline.errors] == [Status.ERROR] * len(outline.errors)
    assert len(outline.errors) == sum(row.status is Status.ERROR for row in tree)
    assert outline.num_running == sum(row.duration_ns is None for row in tree)
    assert outline.origin_ns == min(row.start_ns for row in tree)
    assert outline.end_ns == max(row.start_ns + (row.duration_ns or 0) for row in tree)
    services = {row.span_id: row.service for row in tree}
    assert list(outline.hops) == [
        row.service if row.service != services.get(row.parent_id or "") else None for row in tree
    ]


@given(spans)
def test_siblings_are_counted_under_the_parent_that_they_are_drawn_below(given_spans: Given) -> None:
    rows = rows_of(given_spans)
    tree = ordered(rows)
    outline = outline_of(summary_of_rows(rows), rows)
    path: list[int] = []
    parents: list[int] = []
    for index, row in enumerate(tree):
        del path[row.depth :]
        parents.append(path[-1] if path else -1)
        path.append(index)
    sizes, met = Counter(parents), Counter[int]()
    for index, parent in enumerate(parents):
        met[parent] += 1
        assert (outline.places[index], outline.siblings[index]) == (met[parent], sizes[parent])


@given(spans)
def test_a_page_opens_with_the_deepest_error_else_the_last_call_else_the_root(given_spans: Given) -> None:
    rows = rows_of(given_spans)
    tree = ordered(rows)
    first = outline_of(summary_of_rows(rows), rows).first
    assert first is not None
    failed = [row for row in tree if row.status is Status.ERROR]
    calls = [row for row in tree if row.kind is SpanKind.LLM]
    if failed:
        assert tree[first].status is Status.ERROR
        assert tree[first].depth == max(row.depth for row in failed)
    else:
        assert tree[first] == (calls[-1] if calls else tree[0])


def test_a_chain_as_deep_as_a_large_trace_is_counted_in_one_pass() -> None:
    assert descendants(range(50_000)) == list(range(49_999, -1, -1))
