"""What is a secret goes, whatever stands around it; what is none stays as it was."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.testing.otlp import any_value_of, make_span
from aiplatform.tracing.redaction import Pattern, RedactionPolicy, Redactor, Replacement
from aiplatform.tracing.redaction_rules import RULES, is_card, is_resident_id
from aiplatform.tracing.redaction_service import read_policy
from aiplatform.tracing.values import any_value

ALL = RedactionPolicy(rules=tuple(RULES))


def redactor(**more: Any) -> Redactor:
    return Redactor(RedactionPolicy(**{"rules": tuple(RULES), **more}), b"key")


def luhn_digit(digits: str) -> str:
    """The reference: the digit that makes the weighted sum a multiple of ten."""
    total = sum(
        sum(divmod(int(digit) * (2 if index % 2 == 0 else 1), 10)) for index, digit in enumerate(reversed(digits))
    )
    return str(-total % 10)


def resident_digit(digits: str) -> str:
    """The reference: ISO 7064 MOD 11-2."""
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2 % 11
    return "0123456789X"[(12 - total) % 11]


@st.composite
def cards(draw: st.DrawFn) -> str:
    prefix, length = draw(
        st.sampled_from([("4", 16), ("51", 16), ("37", 15), ("622202", 19), ("3528", 16), ("6011", 16)])
    )
    rest = draw(st.text("0123456789", min_size=length - len(prefix) - 1, max_size=length - len(prefix) - 1))
    number = prefix + rest
    number += luhn_digit(number)
    separator = draw(st.sampled_from(["", " ", "-"]))
    if len(number) == 16:
        return separator.join(number[index : index + 4] for index in range(0, 16, 4))
    return number


@st.composite
def residents(draw: st.DrawFn) -> str:
    born = date(1900, 1, 1) + timedelta(days=draw(st.integers(0, 45_000)))
    number = draw(st.sampled_from(["110105", "440308", "510104"])) + born.strftime("%Y%m%d")
    number += f"{draw(st.integers(0, 999)):03}"
    return number + draw(st.sampled_from([str.lower, str.upper]))(resident_digit(number))


MOBILES = st.builds(
    lambda lead, rest, layout: layout.format(f"1{lead}{rest[0]}", rest[1:5], rest[5:]),
    st.sampled_from("3456789"),
    st.text("0123456789", min_size=9, max_size=9),
    st.sampled_from(["{}{}{}", "{} {} {}", "{}-{}-{}", "+86 {} {} {}", "0086{}{}{}"]),
)
EMAILS = st.builds(
    "{}@{}.{}".format,
    st.from_regex(r"[a-z0-9][a-zA-Z0-9._%+-]{0,20}[a-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,12}(\.[a-z]{2,5})?", fullmatch=True),
    st.sampled_from(["com", "cn", "co", "museum"]),
)
KEYS = st.one_of(
    st.from_regex(r"sk-(proj-|ant-)?[A-Za-z0-9]{20,40}[0-9]", fullmatch=True),
    st.from_regex(r"ghp_[A-Za-z0-9]{36}", fullmatch=True),
    st.from_regex(r"AKIA[0-9A-Z]{16}", fullmatch=True),
    st.from_regex(r"eyJ[A-Za-z0-9_-]{10,40}\.[A-Za-z0-9_-]{10,40}\.[A-Za-z0-9_-]{10,40}", fullmatch=True),
)
SECRETS = st.one_of(cards(), residents(), MOBILES, EMAILS, KEYS)
AROUND = st.sampled_from(["", " ", "，", "(", ")", "“", "联系", "谢谢。", "\n", "<", ">", " tel: ", "\t", "😀"])
WORDS = st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="@＠%=:：\\"), max_size=60)


def holds(text: str, secret: str) -> bool:
    return secret.casefold() in text.casefold()


@given(SECRETS, AROUND, AROUND, st.sampled_from(Replacement))
def test_a_secret_goes_wherever_it_stands(secret: str, before: str, after: str, replacement: Replacement) -> None:
    text = f"看 {before}{secret}{after} end"
    clean = redactor(replacement=replacement).text(text)
    assert not holds(clean, secret)
    assert clean.startswith("看 ")
    assert clean.endswith("end")


@given(SECRETS, st.integers(0, 4), st.booleans())
def test_a_secret_goes_out_of_json_however_it_is_wrapped(secret: str, depth: int, ascii_only: bool) -> None:
    value: Any = {"ü": ["before", f"x {secret} y"], "n": 12, "t": True, "none": None, "f": 1.5}
    for _ in range(depth):
        value = json.dumps({"inner": [value]}, ensure_ascii=ascii_only)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=ascii_only)
    clean: Any = redactor().text(text)
    assert not holds(clean, secret)
    while isinstance(clean, str):
        clean = json.loads(clean)
        clean = clean["inner"][0] if "inner" in clean else clean
    assert (clean["n"], clean["t"], clean["none"], clean["f"], clean["ü"][0]) == (12, True, None, 1.5, "before")


@given(SECRETS)
def test_escapes_do_not_hide_a_secret(secret: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    for text in (f'{{"a": "{escaped}"}}', f'{{"a": "{escaped}", "a": "fine"}}', f'{{"cut": "off {escaped}'):
        clean = redactor().text(text)
        assert escaped not in clean
        assert not holds(clean, secret)


@given(SECRETS)
def test_full_width_writing_does_not_hide_a_secret(secret: str) -> None:
    wide = "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in secret)
    assert wide not in redactor().text(f"看{wide}。")


@given(WORDS)
def test_words_stay_the_very_same(text: str) -> None:
    assert redactor().text(text) is text


@given(st.integers(-(10**9), 10**9), st.floats(allow_nan=False), st.datetimes(), st.uuids(), st.binary(min_size=16))
def test_numbers_times_and_ids_stay(number: int, real: float, moment: Any, one: Any, trace_id: bytes) -> None:
    for text in (f"{number} items", f"x={real!r}", moment.isoformat(), f"id {one}", trace_id.hex()[:32]):
        assert redactor().text(text) == text
    document = json.dumps({"n": number, "r": real, "at": moment.isoformat()})
    assert redactor().text(document) is document


@pytest.mark.parametrize(
    "text",
    [
        "1790000000", "1790000000000", "1790000000000000000", "2026-11-24 10:20:30.123456", "10.0.0.255:8080",
        "3.14159265358979", "4111 1111 1111 1112", "11010519491231002Y", "110105194912310020", "12,345,678,901", "a@b",
        "v1.2.3-rc.4", "@trace", "#13800138000a5b6c7d8e9f00", "trace 4111111111111111aabbccddeeff0011",
        "sk-learn-is-a-good-library", "the basic authentication scheme", "gpt-4o-mini-2024-07-18",
        "http://localhost:8000/path", "size 1234567 bytes", "x=5068216460999816.0",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redactor().text(text) is text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("联系zhang.san@example.com谢谢", "联系[email]谢谢"),
        ("用户@例子.公司 在", "[email] 在"),
        ("手机13812345678，座机010-12345678", "手机[phone]，座机[phone]"),
        ("(555) 223-4567 / +44 20 7946 0958", "[phone] / [phone]"),
        ("order 1234 4111 1111 1111 1111 paid", "order 1234 [card] paid"),
        ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer [secret]"),
        ("DB_PASSWORD=hunter22 next", "DB_PASSWORD=[secret] next"),
        ("postgres://app:s3cr3t@db/x", "postgres://[secret]@db/x"),
        ("密码是 hunter22。", "密码是 [secret]。"),
        ("ssn 123-45-6789.", "ssn [id]."),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "[secret]\n"),
    ],
)
def test_a_label_stands_in_its_place(text: str, clean: str) -> None:
    assert redactor().text(text) == clean


def test_checks_are_those_of_the_standards() -> None:
    for number in ("4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"):
        assert is_card(number)
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert not is_card(wrong)
    assert is_resident_id("11010519491231002X")  # GB 11643-1999, annex A
    assert not is_resident_id("110105194912310021")
    assert not is_resident_id("11010519490231002X")


def test_equal_secrets_have_equal_hashes_of_the_key() -> None:
    policy = RedactionPolicy(rules=("email",), replacement=Replacement.HASH)
    one, other = Redactor(policy, b"one"), Redactor(policy, b"other")
    assert one.text("Lin@X.com") == one.text("lin@x.com") != one.text("lan@x.com")
    assert one.text("lin@x.com") != other.text("lin@x.com")


def test_attributes_are_removed_by_name_at_any_depth() -> None:
    own = redactor(rules=(), attributes=("user.*", "ssn"))
    span = make_span(
        attributes={
            "user.name": "Lin", "user.tags": ["a"], "input.value": '{"ssn": {"x": 1}, "keep": "Lin"}',
            "deep": {"inner": [{"ssn": 5, "keep": 6}]}, "username": "stays",
        }
    )  # fmt: skip
    own.span(span)
    assert {pair.key: any_value(pair.value) for pair in span.attributes} == {
        "user.name": "[removed]", "user.tags": "[removed]", "input.value": '{"ssn": "[removed]", "keep": "Lin"}',
        "deep": {"inner": [{"ssn": "[removed]", "keep": 6}]}, "username": "stays",
    }  # fmt: skip


def test_names_that_say_secret_and_numbers_that_are_one() -> None:
    span = make_span(
        attributes={
            "http.request.header.authorization": "whatever", "api_key": "abc", "card": 4111111111111111,
            "size_bytes": 13812345678, "phone": 13812345678, "gen_ai.usage.input_tokens": 12, "raw": b"a@b.com \xe4",
            "text": b"a@b.com", "arguments": '{"password": "x", "phone": 13812345678, "size": 13812345678}',
        }
    )  # fmt: skip
    redactor().span(span)
    assert {pair.key: pair.value for pair in span.attributes} == {
        key: any_value_of(value)
        for key, value in {
            "http.request.header.authorization": "[secret]", "api_key": "[secret]", "card": "[card]",
            "size_bytes": 13812345678, "phone": "[phone]", "gen_ai.usage.input_tokens": 12, "raw": b"[email] \xe4",
            "text": b"[email]", "arguments": '{"password": "[secret]", "phone": "[phone]", "size": 13812345678}',
        }.items()
    }  # fmt: skip


def test_a_span_without_secrets_stays_byte_for_byte() -> None:
    span = make_span(attributes={"input.value": '{"a":  [1, "x"]}', "n": 1, "d": 1.5, "l": [1, {"k": "v"}], "e": None})
    before = span.SerializeToString()
    redactor(patterns=(Pattern(name="ticket", pattern="T-[0-9]+"),)).span(span)
    assert span.SerializeToString() == before


@given(st.lists(st.sampled_from(["T-12", "T-", "x", "T-345", " ", "é", "T-12T-3", "\ue000"]), max_size=12))
def test_patterns_of_ones_own_agree_with_another_engine(pieces: list[str]) -> None:
    import re

    text = "".join(pieces)
    own = redactor(rules=(), patterns=(Pattern(name="ticket", pattern=r"T-[0-9]{2,}\b"),))
    assert own.text(text) == re.sub(r"T-[0-9]{2,}\b", "[ticket]", text)


def test_counts_are_told() -> None:
    counts: Counter[str] = Counter()
    Redactor(ALL, b"", counts=counts).text('["a@b.com", "c@d.com 13812345678", {"password": "x"}]')
    assert counts == {"email": 2, "phone": 1, "secret": 1}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"rules": ["emails"]}, "redaction.rule"),
        ({"rules": "email"}, "redaction.form"),
        ({"replacement": "hide"}, "redaction.replacement"),
        ({"patterns": [{"name": "Bad name", "pattern": "x"}]}, "redaction.pattern_name"),
        ({"patterns": [{"name": "email", "pattern": "x"}]}, "redaction.pattern_name"),
        ({"patterns": [{"name": "a", "pattern": "("}]}, "redaction.pattern"),
        ({"patterns": [{"name": "a", "pattern": "x*"}]}, "redaction.pattern"),
        ({"patterns": [{"name": "a", "pattern": "(?=x)y"}]}, "redaction.pattern"),
        ({"patterns": [{"name": "a", "pattern": "(a{1000}){1000}"}]}, "redaction.pattern"),
        ({"patterns": [{"name": "a", "pattern": "x" * 501}]}, "redaction.pattern"),
        ({"patterns": [{"name": f"a{number}", "pattern": "x"} for number in range(33)]}, "redaction.size"),
        ({"attributes": [""]}, "redaction.size"),
    ],
)
def test_a_wrong_policy_is_refused(policy: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_policy(policy)
    assert caught.value.full_code == reason


def test_anything_can_be_read_without_an_error() -> None:
    rng = random.Random(7)
    alphabet = '{}[]":,\\u0040dD83 1234567890@%=-_.abAB密码:/'
    own = redactor(patterns=(Pattern(name="p", pattern="[0-9]{3}"),), attributes=("a*",))
    for _ in range(3_000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(80)))
        own.text(text).encode()
