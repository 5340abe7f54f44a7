"""What is done to questions before anything is searched: terms, language, rewriting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tour.bm25 import terms
from aiplatform.tour.corpus import load_questions
from aiplatform.tour.language import language_of
from aiplatform.tour.rewrite import keywords, standalone

WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)


def test_english_is_counted_by_words_and_chinese_by_neighbouring_characters() -> None:
    assert terms("The GIL, in Python_3!") == ["the", "gil", "in", "python_3"]
    assert terms("安装软件包") == ["安装", "装软", "软件", "件包"]
    assert terms("用 apt 安装") == ["用", "apt", "安装"]
    assert terms("?!…") == []


@given(st.text(alphabet="中文软件包安装", min_size=2, max_size=20))
def test_a_run_of_n_characters_has_n_minus_one_pairs_that_spell_it(text: str) -> None:
    pairs = terms(text)
    assert len(pairs) == len(text) - 1
    assert pairs[0][0] + "".join(pair[1] for pair in pairs) == text


@given(WORDS, WORDS)
def test_what_stands_apart_is_counted_apart(one: str, other: str) -> None:
    assert terms(f"{one}\n{other}") == terms(one) + terms(other)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Why is Python slow?", "en"),
        ("如何安装软件包？", "zh"),
        ("Debian GNU/Linux 是什么？", "zh"),
        ("How do I print 中 in a terminal?", "en"),
        ("", "en"),
        ("42", "en"),
    ],
)
def test_names_stay_latin_in_chinese_questions_too(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_language_of_every_shipped_question_is_found() -> None:
    assert [one.question for one in load_questions() if language_of(one.question) != one.language] == []


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("How do I copy a file?", "copy file"),
        ("Why don't my signal handlers work?", "don't signal handlers work"),
        ("如何安装软件包？", "安装软件包"),
        ("What is it?", "What is it?"),
        ("", ""),
    ],
)
def test_words_that_only_ask_are_left_out(question: str, kept: str) -> None:
    assert keywords(question) == kept


@given(WORDS)
def test_keywords_are_words_of_the_question_and_stay_what_they_are(question: str) -> None:
    kept = keywords(question)
    assert set(terms(kept)) <= set(terms(question))
    assert keywords(kept) == kept
    assert bool(kept) == bool(question)


def user(text: object) -> dict[str, object]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    ("messages", "asked"),
    [
        ([user("How do I copy a file?")], "How do I copy a file?"),
        (
            [user("How do I copy a file?"), {"role": "assistant", "content": "Use shutil."}, user("and on Windows?")],
            "How do I copy a file? and on Windows?",
        ),
        (
            [user("How do I copy a file?"), user("Why are floating-point calculations so inaccurate?")],
            "Why are floating-point calculations so inaccurate?",
        ),
        ([user([{"type": "text", "text": "How do"}, {"type": "text", "text": "I sort?"}])], "How do I sort?"),
        ([user(None)], ""),
        ([{"role": "system", "content": "Be brief."}], ""),
        ([], ""),
    ],
)
def test_a_question_that_leans_on_the_one_before_takes_it_along(messages: list[dict[str, object]], asked: str) -> None:
    assert standalone(messages) == asked
