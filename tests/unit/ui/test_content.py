"""Payloads as people read them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from aiplatform.eval.shown import answer_text
from aiplatform.ui.content import MAX_SHOWN_CHARACTERS, highlighted, one_line, shown
from aiplatform.ui.views.snippets import PLACEHOLDER, infer_snippet, snippets, try_snippets


def test_json_in_a_string_is_shown_decoded_and_unfolded() -> None:
    text = shown('{"note": "\\u5185\\u90e8", "list": [1, 2]}')
    assert text.is_json
    assert "内部" in text.text
    assert "\n" in text.text


def test_a_text_stays_a_text() -> None:
    assert shown("[not json").text == "[not json"
    assert shown("3").is_json is False


def test_a_long_text_is_cut_and_says_its_size() -> None:
    text = shown("x" * (MAX_SHOWN_CHARACTERS + 5))
    assert (text.is_cut, text.num_characters, len(text.text)) == (True, MAX_SHOWN_CHARACTERS + 5, MAX_SHOWN_CHARACTERS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_every_structure_can_be_shown_and_read_back(value: object) -> None:
    text = shown(value)
    if text.is_json and not isinstance(value, str):
        assert json.loads(text.text) == value


def test_a_call_reads_in_one_line() -> None:
    assert one_line({"query": "default\n argument", "k": 4}) == 'query="default\\n argument", k=4'
    assert one_line("a  b\nc") == "a b c"
    assert len(one_line("x" * 500, 120)) == 120


def test_the_answer_of_common_shapes_is_its_text() -> None:
    assert answer_text({"answer": "42", "passages": []}) == "42"
    assert answer_text({"question": "Why?"}) == "Why?"
    assert answer_text(None) == ""
    assert answer_text([1]) == "[1]"


@given(st.text())
def test_colouring_code_neither_loses_nor_unescapes_a_character(code: str) -> None:
    import re

    plain = re.sub(r'<span class="hl-[kscn]">|</span>', "", str(highlighted(code)))
    assert plain == str(escape(code))


def test_every_snippet_holds_the_address_the_project_and_the_place_of_the_key() -> None:
    every = (
        *snippets("http://host:1", "docs", None),
        *try_snippets("http://host:1", "docs", "qa"),
        infer_snippet("http://host:1", "docs", "qa"),
    )
    assert all(PLACEHOLDER in one.code and "http://host:1" in one.code and "docs" in one.code for one in every)


def test_python_snippets_can_be_compiled() -> None:
    for one in (*snippets("http://host:1", "docs", "qa"), *try_snippets("http://host:1", "docs", "qa")):
        if one.file.endswith(".py"):
            compile(one.code, one.file, "exec")
