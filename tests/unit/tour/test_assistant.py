"""The assistant: it quotes what stands in its source, or says that it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import NotFoundError
from aiplatform.tour.assistant import Assistant
from aiplatform.tour.bundle import VERSIONS, Bundle, write
from aiplatform.tour.corpus import PASSAGES_FILE, load_passages, load_questions
from aiplatform.tour.extract import MAX_CHARACTERS, quotation
from aiplatform.tour.pages import Pages, named_page
from tests.unit.tour.examples import PASSAGES

SHIPPED = {passage.passage_id: passage for passage in load_passages()}
BM25_VERSION = VERSIONS[0]


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    """The BM25 version on the shipped documentation: no model, no Ray."""
    made = Bundle(version=BM25_VERSION, threshold=0.7, passages=[*SHIPPED.values()])
    folder = write(made, tmp_path_factory.mktemp("v1"), PASSAGES_FILE)
    return Assistant(folder, pages=Pages([*SHIPPED.values()]))


def test_the_sentence_that_fits_is_quoted_from_there_on() -> None:
    text = "The open function returns a file. To copy a file, call shutil.copyfile. Close it."
    assert quotation("How do I copy a file?", text) == "To copy a file, call shutil.copyfile. Close it."
    assert quotation("源码包是什么？", "镜像站点很多。源码包可以构建二进制包。") == "源码包可以构建二进制包。"


@given(st.text(max_size=80), st.text(max_size=1200))
def test_a_quotation_stands_in_its_text_and_is_short(question: str, text: str) -> None:
    quoted = quotation(question, text)
    assert quoted in text
    assert len(quoted) <= MAX_CHARACTERS


@given(st.sampled_from(load_questions()), st.sampled_from([*SHIPPED.values()]))
def test_something_is_quoted_from_every_shipped_passage(question: Any, passage: Any) -> None:
    quoted = quotation(question.question, passage.text)
    assert quoted
    assert quoted in passage.text


def test_an_answer_is_a_quotation_of_the_passage_it_cites(assistant: Assistant) -> None:
    answered = 0
    for question in load_questions()[::10]:
        answer = assistant.ask(question.question)
        if answer.abstained:
            assert answer.citations == ()
            continue
        answered += 1
        quoted = answer.text.split("”\n\n")[0].removeprefix("“")
        [cited] = answer.citations
        assert quoted in SHIPPED[cited].text
        assert quoted in Pages([*SHIPPED.values()]).open(SHIPPED[cited].page)
        assert SHIPPED[cited].url in answer.text
        assert cited == answer.retrieved[0]
        assert answer.confidence >= 0.7
    assert answered


@pytest.mark.parametrize("question", ["zebra giraffe", "斑马"])
def test_it_abstains_where_nothing_is_found(assistant: Assistant, question: str) -> None:
    answer = assistant.ask(question)
    assert (answer.abstained, answer.citations, answer.confidence) == (True, (), 0.0)


def test_abstaining_is_said_in_the_questions_language(assistant: Assistant) -> None:
    assert assistant.ask("斑马").text != assistant.ask("zebra").text


def test_the_threshold_decides(tmp_path: Path) -> None:
    folder = write(Bundle(version=BM25_VERSION, threshold=0.5, passages=PASSAGES), tmp_path, PASSAGES_FILE)
    pages = Pages([*SHIPPED.values()])
    question = "Why are floating-point calculations so inaccurate?"
    sure = Assistant(folder, pages=pages).ask(question).confidence
    assert not Assistant(folder, threshold=sure, pages=pages).ask(question).abstained
    assert Assistant(folder, threshold=min(1.0, sure + 1e-6), pages=pages).ask(question).abstained


def test_chat_answers_as_a_message_with_what_it_rests_on(assistant: Assistant) -> None:
    asked = "Why are floating-point calculations so inaccurate?"
    said = assistant.chat([{"role": "user", "content": asked}])
    answer = assistant.ask(asked)
    assert said["content"] == answer.text
    assert said["aiplatform"] == {key: value for key, value in answer.as_output().items() if key != "answer"}
    assert said["aiplatform"]["generator"] == "extractive, no LLM"
    assert said["usage"]["prompt_tokens"] > 0


def test_a_page_that_a_question_names_is_opened_and_one_that_is_missing_is_gone_around(assistant: Assistant) -> None:
    opened: list[str] = []
    shipped = Pages([*SHIPPED.values()])

    class Remembering:
        def open(self, page: str) -> str:
            opened.append(page)
            return shipped.open(page)

    assistant._pages, before = Remembering(), assistant._pages
    try:
        answer = assistant.ask("What does howto/logging-cookbook say about logging from several modules?")
    finally:
        assistant._pages = before
    assert opened[0] == "howto/logging-cookbook"
    assert opened[1:] == [SHIPPED[answer.citations[0]].page]


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("What does howto/sorting say about keys?", "howto/sorting"),
        ("Is debian-faq/pkg-basics right?", "debian-faq/pkg-basics"),
        ("How do I sort?", None),
    ],
)
def test_pages_are_named_by_their_path(question: str, page: str | None) -> None:
    assert named_page(question) == page


def test_a_page_is_its_passages_and_an_unknown_one_is_an_error() -> None:
    pages = Pages(PASSAGES)
    assert pages.open("tutorial/files") == f"{PASSAGES[0].text}\n\n{PASSAGES[1].text}"
    with pytest.raises(NotFoundError, match="howto/nothing"):
        pages.open("howto/nothing")
