"""What a mask hides, and that its failure hides more, never less."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.tracing.sdk.masking import FAILED, PATTERNS, everything, masking
from aiplatform.tracing.sdk.wire import Mask


def of(*patterns: str, mask: Mask | None = None) -> Mask:
    made = masking(mask, patterns)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("pattern", "text", "masked"),
    [
        ("email", "mail jo.doe+x@mail.example.com now", "mail [email] now"),
        ("email", "写信给wang@example.cn。", "写信给[email]。"),
        ("email", "a @ b, user@host", "a @ b, user@host"),
        ("credit_card", "card 4111 1111 1111 1111.", "card [card]."),
        ("credit_card", "card 4111-1111-1111-1112", "card 4111-1111-1111-1112"),
        ("api_key", "key sk-proj-abcdefghijklmnop1234", "key [key]"),
        ("api_key", "Authorization: Bearer abcdefghijklmnop1234", "Authorization: [key]"),
        ("api_key", "AKIAABCDEFGHIJKLMNOP", "[key]"),
        ("api_key", "the sk-lake", "the sk-lake"),
        ("phone", "call +49 30 1234567 or 13812345678", "call [phone] or [phone]"),
        ("phone", "电话13812345678。", "电话[phone]。"),
        ("phone", "order 1234567890123", "order 1234567890123"),
        ("china_id", "身份证11010519491231002X号", "身份证[id]号"),
        ("ip_address", "from 192.168.0.12:80", "from [ip]:80"),
        ("ip_address", "version 1.2.3.400", "version 1.2.3.400"),
    ],
)
def test_a_pattern_masks_what_it_names_and_nothing_else(pattern: str, text: str, masked: str) -> None:
    assert of(pattern)("input.value", text) == masked


def test_patterns_reach_into_nested_values_and_json_stays_json() -> None:
    found = of("email")("x", {"to": ["a@b.de", 1], "a@b.de": None})
    assert found == {"to": ["[email]", 1], "[email]": None}
    assert json.loads(of(*PATTERNS)("x", json.dumps({"q": "a@b.de, 192.168.0.1"}))) == {"q": "[email], [ip]"}


@given(st.text(max_size=2_000))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    mask = of(*PATTERNS)
    assert mask("x", mask("x", text)) == mask("x", text)


@pytest.mark.parametrize("error", [ValueError("secret"), KeyboardInterrupt("secret"), RecursionError("secret")])
def test_a_mask_that_fails_hides_the_value_and_quotes_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(name: str, value: Any) -> Any:
        raise error

    mask = of(mask=failing)
    with caplog.at_level(logging.DEBUG):
        assert [mask("input.value", "secret"), mask("n", 5)] == [FAILED, FAILED]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_a_mask_that_gives_what_cannot_be_sent_hides_the_value() -> None:
    assert of(mask=lambda name, value: object())("a", "secret") == FAILED
    assert of("email", mask=lambda name, value: object())("a", "secret") == FAILED


def test_the_users_mask_comes_before_the_patterns() -> None:
    assert of("email", mask=lambda name, value: f"{value} a@b.de")("x", "v") == "v [email]"
    assert of("email", mask=lambda name, value: None)("x", "v") is None


def test_an_unknown_pattern_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidError, match="nonsense") as error:
        masking(None, ["nonsense"])
    assert "email" in str(error.value.fields["known"])


def test_no_mask_costs_nothing() -> None:
    assert masking(None, ()) is None


def test_a_worker_without_the_mask_lets_no_text_through() -> None:
    assert everything("input.value", "secret") == "[masked]"
    assert everything("gen_ai.usage.input_tokens", 5) == 5
