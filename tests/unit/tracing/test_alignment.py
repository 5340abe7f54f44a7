"""Two trees laid over each other, and two texts."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.alignment import Pair, align
from aiplatform.tracing.comparing import Difference, differences
from aiplatform.tracing.model import SpanKind, SpanRow, Status, Usage
from aiplatform.tracing.textdiff import Change, Piece, diff
from aiplatform.tracing.tree import ordered

NAMES = st.sampled_from(["ask", "search", "call", "tool"])


def row(span_id: str, name: str, parent_id: str | None, start_ns: int) -> SpanRow:
    return SpanRow(
        trace_id="t", span_id=span_id, parent_id=parent_id, name=name, kind=SpanKind.CHAIN, status=Status.OK,
        start_ns=start_ns, duration_ns=10,
    )  # fmt: skip


@st.composite
def trees(draw: st.DrawFn, prefix: str) -> list[SpanRow]:
    """Rows in tree order, some of whose parents never arrived."""
    rows: list[SpanRow] = []
    for index in range(draw(st.integers(0, 12))):
        above = draw(st.sampled_from([None, "lost", *(each.span_id for each in rows)]))
        rows.append(row(f"{prefix}{index}", draw(NAMES), above, index))
    return ordered(rows)


def path(rows: list[SpanRow], of: SpanRow) -> tuple[str, ...]:
    """The names from the top down to a row, read off the depths."""
    above: list[SpanRow] = []
    for each in rows:
        del above[each.depth :]
        above.append(each)
        if each.span_id == of.span_id:
            break
    return tuple(one.name for one in above)


@given(trees("a"), trees("b"))
def test_every_span_stands_once_and_beside_one_of_the_same_path(a: list[SpanRow], b: list[SpanRow]) -> None:
    pairs = align(a, b)
    assert sorted(pair.a.span_id for pair in pairs if pair.a) == sorted(each.span_id for each in a)
    assert sorted(pair.b.span_id for pair in pairs if pair.b) == sorted(each.span_id for each in b)
    assert all(pair.a or pair.b for pair in pairs)
    for pair in pairs:
        if pair.a and pair.b:
            assert path(a, pair.a) == path(b, pair.b)
        assert pair.depth == (pair.a or pair.b).depth  # type: ignore[union-attr]
    # Of one side, the order of the tree is kept: parents first, siblings in their order.
    assert [pair.a.span_id for pair in pairs if pair.a] == [each.span_id for each in a]


@given(trees("a"))
def test_a_trace_stands_beside_itself(a: list[SpanRow]) -> None:
    assert align(a, a) == [Pair(a=each, b=each, depth=each.depth) for each in a]


@given(trees("a"), trees("b"))
def test_the_same_spans_are_paired_whichever_comes_first(a: list[SpanRow], b: list[SpanRow]) -> None:
    def known(pairs: list[Pair], swapped: bool) -> set[tuple[str | None, str | None]]:
        found = {(pair.a.span_id if pair.a else None, pair.b.span_id if pair.b else None) for pair in pairs}
        return {(two, one) for one, two in found} if swapped else found

    assert known(align(a, b), False) == known(align(b, a), True)


def test_a_retry_stands_alone_and_what_follows_beside_its_twin() -> None:
    a = ordered([row("a0", "ask", None, 0), row("a1", "search", "a0", 1), row("a2", "call", "a0", 3)])
    b = ordered([row("b0", "ask", None, 0), row("b1", "search", "b0", 1), row("b2", "search", "b0", 2),
                 row("b3", "call", "b0", 3)])  # fmt: skip
    shown = [(pair.a and pair.a.span_id, pair.b and pair.b.span_id) for pair in align(a, b)]
    assert shown == [("a0", "b0"), ("a1", "b1"), (None, "b2"), ("a2", "b3")]


def test_differences_of_a_pair_are_named() -> None:
    one = row("a", "ask", None, 0)
    same = Pair(a=one, b=one, depth=0)
    assert differences(same) == ()
    assert differences(replace(same, b=None)) == (Difference.MISSING,)
    other = replace(one, status=Status.ERROR, model="m", usage=Usage(input_tokens=1), duration_ns=600_000_000)
    assert differences(replace(same, b=other)) == (
        Difference.STATUS, Difference.MODEL, Difference.TOKENS, Difference.TIME,
    )  # fmt: skip
    assert differences(replace(same, b=replace(one, duration_ns=400_000_000))) == ()
    assert replace(same, b=other).duration_change_ns == 599_999_990


TEXTS = st.text(st.sampled_from("ab 巴黎,\n"), max_size=40)


@given(TEXTS, TEXTS)
def test_the_pieces_make_both_texts(before: str, after: str) -> None:
    pieces = diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.change is not Change.NEW) == before
    assert "".join(piece.text for piece in pieces if piece.change is not Change.GONE) == after
    assert all(one.change is not two.change for one, two in pairwise(pieces))


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_character_is_lost_whatever_the_script(before: str, after: str) -> None:
    pieces = diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.change is not Change.NEW) == before
    assert "".join(piece.text for piece in pieces if piece.change is not Change.GONE) == after


def test_one_word_or_one_character_of_chinese_is_one_change() -> None:
    assert diff("It is Paris.", "It is Rome.") == [
        Piece(Change.SAME, "It is "), Piece(Change.GONE, "Paris"), Piece(Change.NEW, "Rome"), Piece(Change.SAME, "."),
    ]  # fmt: skip
    assert diff("首都是巴黎", "首都是罗马") == [
        Piece(Change.SAME, "首都是"), Piece(Change.GONE, "巴黎"), Piece(Change.NEW, "罗马"),
    ]  # fmt: skip


def test_long_texts_are_compared_by_lines() -> None:
    before = "\n".join(f"line {number} of many words" for number in range(2_000))
    pieces = diff(before, before.replace("line 7 of", "line seven of"))
    assert [piece.text for piece in pieces if piece.change is not Change.SAME] == [
        "line 7 of many words\n", "line seven of many words\n",
    ]  # fmt: skip
