from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.words import folded, index_form, read_query, words_of

text = st.text(st.characters(codec="utf-8"), max_size=40)
chinese = st.text("内部错误退款在哪里的了是", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("given_text", "words"),
    [
        ("Hello, World_2!", ["hello", "world", "2"]),
        ("内部错误", ["内部", "部错", "错误", "误"]),
        ("ＧＰＴ－４ 很好", ["gpt", "4", "很好", "好"]),
        ("a" * 100, ["a" * 64]),
        ("コー・ヒー\ufada。", ["コー", "ー", "ヒー", "ー"]),
        ("", []),
    ],
)
def test_words_are_folded_runs_and_pairs(given_text: str, words: list[str]) -> None:
    assert words_of(folded(given_text)) == words


@given(before=text, wanted=chinese, after=text)
def test_any_chinese_substring_is_found_by_its_words(before: str, wanted: str, after: str) -> None:
    words = words_of(folded(before + wanted + after))
    (term,) = read_query(wanted)
    (phrase,) = term.phrases
    if term.is_prefix:
        assert any(word.startswith(phrase[0]) for word in words)
    else:
        assert any(words[index : index + len(phrase)] == list(phrase) for index in range(len(words)))


@given(text)
def test_words_of_a_query_hold_no_syntax(query: str) -> None:
    for term in read_query(query):
        for phrase in term.phrases:
            for word in phrase:
                assert word
                assert not set(word) & set("\"'*:^()-+ \x00")


def test_quotes_keep_words_together() -> None:
    assert [term.phrases for term in read_query('late "refund is" x')] == [[["late"]], [["refund", "is"]], [["x"]]]


@given(st.lists(st.one_of(text, chinese, st.text("abc", min_size=60, max_size=70))).map("".join))
def test_the_form_for_fts5_holds_the_same_words(given_text: str) -> None:
    form = index_form(folded(given_text))
    # What FTS5 makes of it: runs of letters and digits, CJK ones like any other.
    assert re.findall(r"[^\W_]+", form) == words_of(folded(given_text))
