"""Languages: which one a reader gets, and that every text is there in both."""

from __future__ import annotations

import pytest

from aiplatform.core.i18n import negotiate, translate
from scripts import messages


@pytest.mark.parametrize(
    ("wishes", "locale"),
    [
        ((None,), "en"),
        (("zh",), "zh_CN"),
        (("zh-Hans-SG",), "zh_CN"),
        (("fr, zh-CN;q=0.8, en;q=0.9",), "en"),
        (("fr, zh-TW;q=0.8",), "zh_CN"),
        (("zh_CN", "en-US,en;q=0.9"), "zh_CN"),
        (("", "en-US"), "en"),
        (("en;q=oops, zh",), "zh_CN"),
        (("zh;q=0, en",), "en"),
        (("xx", "yy"), "en"),
    ],
)
def test_the_first_wish_that_we_speak_wins(wishes: tuple[str | None, ...], locale: str) -> None:
    assert negotiate(*wishes) == locale


def test_english_translates_to_itself_and_nothing_to_nothing() -> None:
    assert translate("Open", "en") == "Open"
    assert translate("", "zh_CN") == ""


def test_no_text_is_missing_empty_stale_or_uncompiled() -> None:
    assert messages.problems() == []


def test_fields_of_a_translation_are_those_of_its_text() -> None:
    wrong = [
        message.id
        for message in messages.translated()
        if message.id and isinstance(message.id, str) and isinstance(message.string, str)
        if messages.fields_of(message.id) != messages.fields_of(message.string)
    ]
    assert wrong == []
