"""The shipped data: what the issue of the tour promises of them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from aiplatform.tour.corpus import DATA, load_passages, load_questions
from aiplatform.tour.data import build
from aiplatform.tour.steps import LICENCE

PASSAGES = {passage.passage_id: passage for passage in load_passages()}
QUESTIONS = load_questions()


def test_so_many_questions_come_from_each_faq() -> None:
    sources = Counter(question.source for question in QUESTIONS)
    assert set(sources) == {"python-faq", "debian-faq-zh-cn", "debian-faq", "sqlite-faq"}
    assert sources["python-faq"] == 171
    assert sources["debian-faq-zh-cn"] in {98, 99}
    assert sources["debian-faq"] + sources["sqlite-faq"] == pytest.approx(97, abs=15)


def test_every_id_is_there_once() -> None:
    assert len(PASSAGES) == len(load_passages())
    assert len({question.question_id for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question.question for question in QUESTIONS}) == len(QUESTIONS)


def test_what_is_expected_is_there_in_the_questions_language() -> None:
    for question in QUESTIONS:
        assert question.answerable == bool(question.expected) == (question.source in {"python-faq", "debian-faq-zh-cn"})
        assert {PASSAGES[each].language for each in question.expected} <= {question.language}


def test_no_passage_is_longer_than_the_model_reads() -> None:
    count = build.token_counter()
    longest = max(PASSAGES.values(), key=lambda passage: count(passage.text))
    assert count(longest.text) <= build.MAX_TOKENS, longest.passage_id


def test_no_faq_heading_is_in_the_index() -> None:
    headings = {question.question for question in QUESTIONS}
    for passage in PASSAGES.values():
        assert not headings & set(passage.text.split("\n")), passage.passage_id
        assert not headings & set(passage.title.split(" / ")), passage.passage_id


def test_every_passage_can_be_quoted_with_its_source() -> None:
    for passage in PASSAGES.values():
        assert passage.text.strip()
        assert re.fullmatch(r"https://(docs\.python\.org/3\.11|www\.debian\.org)/\S+#\S+", passage.url)
        assert passage.passage_id.startswith(f"{passage.page}#")
        assert (passage.language == "zh") == (passage.collection == "debian-faq")


def test_the_licences_of_the_data_are_named_and_told() -> None:
    text = (DATA / "LICENSES.md").read_text(encoding="utf-8")
    for licence in LICENCE.split(" AND "):
        assert f"## {licence}:" in text
    for package in build.PACKAGES:
        assert f"`{package}`" in text
    for words in (
        "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",
        "Copyright (C) 1996-2003 Software in the Public Interest",
        "public domain",
        "Apache-2.0",
        "build.py",
    ):
        assert words in text


@pytest.mark.parametrize("block", ["word " * 400, "One sentence. " * 60, "code line\n" * 200, "中文" * 300, "x" * 3000])
def test_what_is_too_long_is_cut_into_what_fits(block: str) -> None:
    def count(text: str) -> int:
        return 2 + len(re.findall(r"\w{1,6}|[^\w\s]", text))

    made = [*build.pack([block.strip(), "A short end."], count)]
    assert made
    assert all(count(text) <= build.MAX_TOKENS for text in made)
    assert made[-1].endswith("A short end.")


def test_short_blocks_share_a_passage() -> None:
    assert [*build.pack(["one", "two"], len)] == ["one\ntwo"]
    assert [*build.pack([], len)] == []


@pytest.mark.parametrize(
    ("heading", "plain"),
    [
        ("第 2 章 软件包", "软件包"),
        ("Chapter 3. Choosing", "Choosing"),
        ("2.1.3. What is it?", "What is it?"),
        ("Plain", "Plain"),
    ],
)
def test_numbers_are_cut_from_headings(heading: str, plain: str) -> None:
    assert build.heading_text(heading) == plain
