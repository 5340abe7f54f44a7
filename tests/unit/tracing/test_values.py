"""JSON as emitters write it, taken apart into what both databases can hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.values import MAX_MADE_DEPTH, any_value, any_value_of, json_value, unwrapped


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_without_halves_of_pairs_reads_as_ever(value: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert json_value(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d"', "\ufffd"),
        (r'"\uDE00 \ud83d\ude00"', "\ufffd 😀"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'{"\ud83d": ["\\\ud83d"]}', {"\ufffd": ["\\\ufffd"]}),
    ],
)
def test_half_of_a_pair_becomes_a_mark(text: str, value: object) -> None:
    assert json_value(text) == value
    assert unwrapped(f'["{"x" * 3}", {text}]') == ["xxx", value]


@given(
    st.recursive(
        st.text()
        | st.integers(-(2**63), 2**63 - 1)
        | st.booleans()
        | st.none()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_in_otlps_form_reads_as_it_was(value: object) -> None:
    assert any_value(any_value_of(value)) == value


def test_what_is_nested_too_deep_or_too_large_for_otlp_is_written_as_text() -> None:
    deep: object = 2**70
    for _ in range(MAX_MADE_DEPTH + 2):
        deep = [deep]
    found = any_value(any_value_of(deep))
    for _ in range(MAX_MADE_DEPTH):
        [found] = found
    assert found == f"[[{2**70}]]"
    assert any_value(any_value_of(2**70)) == str(2**70)
