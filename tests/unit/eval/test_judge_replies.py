"""What a judge says is understood where only one reading is possible, and refused where there are two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.eval.judging.forms import ClaimsForm, LabelForm, PassagesForm, ScaleForm, Verdict
from aiplatform.eval.judging.replies import UnreadableError, mended, read

LABELS = LabelForm(labels={"correct": 1.0, "incorrect": 0.0})


def verdict(text: str, form: Any = LABELS, passages: int = 0) -> Verdict:
    def check(answer: Mapping[str, Any]) -> Verdict:
        found: Verdict = form.read(answer, passages)
        return found

    return read(text, check)


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "yes", "label": "correct"}',
        '```json\n{"reason": "yes", "label": "correct"}\n```',
        'Here you are:\n{"reason": "yes", "label": "Correct "}\nThat is all.',
        '<think>It may be {"label": "incorrect"}.</think>{"reason": "yes", "label": "correct"}',
        '{"reason": "yes", "label": "correct",}',
        '{"reason": "yes", "label": "correct"',
        '{"reason": "yes", "label": "correct", "more": "and then it bro',
        '{"reason": "yes", "label": "correct"} {"reason": "yes", "label": "correct"}',
        '{"reason": "a brace } and a quote \\" inside", "label": "correct"',
        '{"example": 1} {"reason": "yes", "label": "correct"}',
    ],
)
def test_a_verdict_is_read_however_it_is_wrapped(text: str) -> None:
    assert verdict(text).label == "correct"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("It is correct.", "no JSON object"),
        ("", "no JSON object"),
        ('{"reason": "yes", "label": "correc', "must be one of correct, incorrect"),
        ('{"reason": "yes", "label": "correct', "must be one of"),  # may go on: "correctish"
        ('{"reason": "yes", "label": "maybe"}', "must be one of"),
        ('{"label": "correct"} or {"label": "incorrect"}', "several verdicts that differ"),
        ('{"label": null}', "must be one of"),
    ],
)
def test_what_could_mean_two_things_means_nothing(text: str, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        verdict(text)


def test_a_number_that_breaks_off_is_not_taken_for_a_smaller_one() -> None:
    scale = ScaleForm(low=1, high=50)
    with pytest.raises(UnreadableError):
        verdict('{"reason": "x", "score": 4', scale)
    assert verdict('{"reason": "x", "score": 4}', scale).value == 4


@pytest.mark.parametrize("score", ["4.5", "0", "51", "true", '"four"', "NaN", "[]"])
def test_a_scale_takes_whole_numbers_on_it_alone(score: str) -> None:
    with pytest.raises(UnreadableError, match="whole number from 1 to 50"):
        verdict(f'{{"score": {score}}}', ScaleForm(low=1, high=50))


def test_the_share_of_claims_counts_those_that_are_supported() -> None:
    claims = [{"claim": "a", "supported": True}, {"claim": "b", "supported": False}, {"claim": "c", "supported": True}]
    found = verdict(json.dumps({"claims": claims}), ClaimsForm())
    assert found.value == pytest.approx(2 / 3)
    assert found.reason == "b"
    assert verdict('{"claims": []}', ClaimsForm()).value == 1.0
    with pytest.raises(UnreadableError, match="supported"):
        verdict('{"claims": [{"claim": "a", "supported": "yes"}]}', ClaimsForm())


@pytest.mark.parametrize(
    ("useful", "value"),
    [([True, False, True], (1 / 1 + 2 / 3) / 2), ([False, True], 0.5), ([False, False], 0.0), ([True], 1.0)],
)
def test_context_precision_is_the_average_precision_of_ragas(useful: list[bool], value: float) -> None:
    text = json.dumps({"passages": [{"useful": each} for each in useful]})
    assert verdict(text, PassagesForm(), len(useful)).value == pytest.approx(value)
    with pytest.raises(UnreadableError, match="one a passage"):
        verdict(text, PassagesForm(), len(useful) + 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4), st.data())
def test_what_breaks_off_anywhere_is_closed_to_what_was_whole(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(mended(text)) == value
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    try:
        found = json.loads(mended(cut))
    except json.JSONDecodeError:
        return  # nothing was whole
    assert set(found) <= set(value)
    assert _is_prefix(found, value)


def _is_prefix(found: Any, whole: Any) -> bool:
    """Whether everything that was read stands in the whole, in the same place."""
    if isinstance(found, dict) and isinstance(whole, dict):
        return all(key in whole and _is_prefix(each, whole[key]) for key, each in found.items())
    if isinstance(found, list) and isinstance(whole, list):
        return len(found) <= len(whole) and all(_is_prefix(a, b) for a, b in zip(found, whole, strict=False))
    return bool(found == whole)
