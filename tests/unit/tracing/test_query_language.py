"""The query language: what is read, what is printed and read again, and how an error points."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiplatform.tracing.query import QueryError, filter_of, line_of, parse, read_filter, show
from aiplatform.tracing.query.automaton import found
from aiplatform.tracing.query.printing import typed
from aiplatform.tracing.query.regex import ExpressionError
from aiplatform.tracing.query.tree import Node, Words, walk
from tests.unit.tracing.query_trees import trees


@pytest.mark.parametrize(
    ("line", "means"),
    [
        ("attributes.http.status_code >= 500", "attributes.http.status_code >= 500"),
        ("metadata.region:eu -status:ok", 'metadata.region = "eu" AND NOT status = "ok"'),
        ("cost > 0.1 or errors > 0", "cost > 0.1 OR errors > 0"),
        ("cost:[0.1 TO 0.5] cost:0.1..0.5", "cost:[0.1 TO 0.5] AND cost:[0.1 TO 0.5]"),
        ("tokens:..5 tokens:5.. tokens:[* TO 5]", "tokens <= 5 AND tokens >= 5 AND tokens <= 5"),
        ("model in (a, 'b c') model:(a OR b)", 'model in ("a", "b c") AND model in ("a", "b")'),
        ("model not in (a b)", 'NOT model in ("a", "b")'),
        ('name ~ "chat" name !~ x', 'name ~ "chat" AND NOT name ~ "x"'),
        ("name:chat* attributes.x:*", 'name like "chat*" AND attributes.x exists'),
        ("name =~ /^a\\/b$/", 'name =~ "^a/b$"'),
        ("has:session has:score has:errors", "has:session AND has:score AND errors > 0"),
        ("since:2h start > now-1d", "start >= now-2h AND start > now-1d"),
        ("start:2026-11-20", "start:[2026-11-20T00:00:00Z TO 2026-11-20T23:59:59.999999999Z]"),
        ("a b OR (c d) e", "a b OR c d e"),
        ("a (b OR c)", "a AND (b OR c)"),
        ("refund status:error late", 'refund late AND status = "error"'),
        ("file not found or lost", 'file "not" found "or" lost'),
        ("file NOT found", "file AND NOT found"),
        ("kind:tool and not name:x or error", 'kind = "tool" AND NOT name ~ "x" OR error'),
        ("span(kind:tool and timeout) under span(name:agent) child of span(kind:chain)",
         'span(kind = "tool" AND timeout) under span(name ~ "agent") child of span(kind = "chain")'),
        ('attributes."we ird" = "5" attributes.n = 5', 'attributes."we ird" = "5" AND attributes.n = 5'),
        ("attr.x:../y", 'attributes.x = "../y"'),
        ("score.ok:yes scores.r <= 1e-3", 'score.ok = "yes" AND score.r <= 0.001'),
        ("trace:TR-0AF7 trace_id:0a*", 'trace = "0af7" AND trace like "0a*"'),
        ("duration:2s latency < 1.5min", "duration >= 2s AND duration < 90s"),
        ('"open', '"open"'),
    ],
)  # fmt: skip
def test_a_line_is_read(line: str, means: str) -> None:
    node = parse(line).node
    assert node is not None
    assert show(node) == means
    assert parse(means).node == node


@given(trees())
def test_what_is_printed_is_read_as_the_same_tree(node: Node) -> None:
    assert parse(show(node)).node == node


@given(trees())
def test_what_is_typed_is_read_as_the_same_tree(node: Node) -> None:
    assert parse(typed(node)).node == node


@given(trees())
def test_a_filter_and_its_line_mean_the_same(node: Node) -> None:
    where = filter_of(node)
    assert read_filter(line_of(where)) == where


@given(trees(), st.data())
@example(Words(("x",)), None)
def test_any_part_of_a_line_is_read_or_refused_with_a_column(node: Node, data: st.DataObject | None) -> None:
    line = show(node)
    if data is not None:
        start = data.draw(st.integers(0, len(line)))
        line = line[:start] + data.draw(st.text(max_size=3)) + line[data.draw(st.integers(start, len(line))) :]
    try:
        parsed = parse(line).node
    except QueryError as error:
        refused = error
    else:
        assert parsed is None or parse(show(parsed)).node == parsed
        return
    start, end = refused.span
    assert 0 <= start <= end <= len(line) + 1
    assert str(refused)
    assert "^" in (refused.localized_hint("zh_CN") or "")


@pytest.mark.parametrize(
    ("line", "column", "near", "reason"),
    [
        ("kind:agent and duraton > 2s", 16, "duration", "query.unknown_field"),
        ("colour = red", 1, "", "query.unknown_field"),
        ("attribtes.x = 1", 1, "attributes.x", "query.unknown_field"),
        ("cost > dear", 1, "", "query.value"),
        ("status:fine", 1, "", "query.value"),
        ("attributes.x > y", 1, "", "query.value"),
        ("kind > llm", 1, "", "query.operator"),
        ("name =~ /(a/", 9, "", "query.expression"),
        ("name =~ /(?=a)/", 9, "", "query.expression"),
        ("(a OR b", 1, "", "query.syntax"),
        ("a OR", 5, "", "query.syntax"),
        ("a)", 2, "", "query.syntax"),
        ("cost:[1 2]", 6, "", "query.syntax"),
        ("model in ()", 10, "", "query.syntax"),
        ("span(span(a))", 6, "", "query.syntax"),
        ("span(sessions:x spans > 3)", 17, "", "query.unknown_field"),
        ("name = ", 8, "", "query.syntax"),
        ("(" * 50 + "a" + ")" * 50, 17, "", "query.syntax"),
        ("x" * 4001, 1, "", "query.too_long"),
        ("a:b OR " * 100 + "c", 701, "", "query.syntax"),
    ],
)
def test_an_error_points_at_its_column(line: str, column: int, near: str, reason: str) -> None:
    with suppress(RecursionError), pytest.raises(QueryError) as caught:
        parse(line)
    assert (caught.value.fields["column"], caught.value.fields["near"]) == (column, near)
    assert caught.value.reason == reason


def test_the_caret_stands_under_wide_characters_too() -> None:
    with pytest.raises(QueryError) as caught:
        parse("退款 cost > x")
    assert caught.value.localized_hint("en") == "退款 cost > x\n     ^^^^^^^^"


def test_the_deepest_query_is_read() -> None:
    deepest = "NOT " * 15 + "a"
    assert len(list(walk(parse(deepest).node))) == 16  # type: ignore[arg-type]


ALPHABET = "ab^$.|*+?(){},1[]-\\d"


@given(st.text(ALPHABET, max_size=12), st.text("ab1\n-", max_size=8))
@example("(a|aa)+$", "aaaaaaaa")
@example("a{2,3}b", "aab")
@example("^$", "")
@example("$^", "")
@example("(^|b)a", "ba")
@example("[^a]", "a")
@example("[]a]", "]")
def test_an_expression_finds_what_pythons_own_finds(pattern: str, text: str) -> None:
    try:
        answer = found(pattern, text)
    except ExpressionError:
        return
    # Python's `$` also stands before a last line feed, and its `.` finds none.
    own = re.compile(_with_strict_end(pattern), re.DOTALL | re.ASCII)
    assert answer == (own.search(text) is not None)


def test_an_expression_that_would_take_forever_does_not() -> None:
    assert not found("(a*)*(a|a)*(a+)+b", "a" * 5000)


def _with_strict_end(pattern: str) -> str:
    result, place, in_set = "", 0, False
    while place < len(pattern):
        character = pattern[place]
        if character == "\\":
            result += pattern[place : place + 2]
            place += 2
            continue
        if character == "[" and not in_set:
            in_set = True
            result += character
            place += 1
            if pattern[place : place + 1] == "^":
                result, place = result + "^", place + 1
            if pattern[place : place + 1] == "]":
                result, place = result + "\\]", place + 1
            continue
        if character == "]":
            in_set = False
        result += r"\Z" if character == "$" and not in_set else "\\[" if character == "[" else character
        place += 1
    return result
