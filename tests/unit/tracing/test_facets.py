"""Facets as parts of a query, and the arithmetic of what is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.facets import Figures, ScoreValues, nearest_rank, score_choices
from aiplatform.tracing.query import parse
from aiplatform.tracing.query.facets import divide, names_chosen
from aiplatform.tracing.query.printing import typed
from aiplatform.tracing.query.tree import Compare, Name, Node, Op, Space
from tests.unit.tracing.query_trees import trees

STATUS = Name(Space.FIELD, "status")
KIND = Name(Space.FIELD, "kind")
DURATION = Name(Space.FIELD, "duration")


def node_of(line: str) -> Node:
    node = parse(line).node
    assert node is not None
    return node


def toggled(line: str, name: Name, choice: str) -> str:
    found = divide(parse(line).node, name).toggled(node_of(choice))
    return "" if found is None else typed(found)


@pytest.mark.parametrize(
    ("line", "name", "choice", "after"),
    [
        ("", STATUS, "status:error", "status:error"),
        ("status:error", STATUS, "status:error", ""),
        ("refund status:error late", STATUS, "status:ok", "refund late status:(error, ok)"),
        ("status:(error, ok) kind:llm", STATUS, "status:ok", "status:error kind:llm"),
        ("status:error OR kind:llm", STATUS, "status:ok", "(status:error OR kind:llm) status:ok"),
        ("-status:error", STATUS, "status:ok", 'NOT status = "error" status:ok'),
        ("kind:llm kind:tool", KIND, "kind:agent", "kind:(llm, agent) kind:tool"),
        ("duration >= 1s duration < 5s", DURATION, "duration >= 1s duration < 5s", ""),
        (
            "status:ok duration >= 1s AND duration < 5s",
            DURATION,
            "duration >= 30s",
            "status:ok (duration >= 1s duration < 5s OR duration >= 30s)",
        ),
        ("model ~ gpt", Name(Space.FIELD, "model"), "model:gpt-4.1", 'model ~ "gpt" model:gpt-4.1'),
    ],
)
def test_a_choice_more_or_less_edits_its_own_condition_alone(line: str, name: Name, choice: str, after: str) -> None:
    assert toggled(line, name, choice) == after


NAMES = [Name(Space.FIELD, each) for each in ("status", "kind", "model", "duration", "cost", "session")]


@given(trees(), st.sampled_from(NAMES), st.text(min_size=1, max_size=5))
def test_choosing_twice_leaves_the_query_as_it_was(node: Node, name: Name, value: str) -> None:
    choice = Compare(name, Op.EQUAL, value)
    division = divide(node, name)
    if choice in division.chosen:
        return
    once = division.toggled(choice)
    again = divide(once, name)
    assert set(again.chosen) == {*division.chosen, choice}
    assert again.rest == division.rest
    back = again.toggled(choice)
    assert set(divide(back, name).chosen) == set(division.chosen)
    assert (divide(back, name).rest if back is not None else None) == division.rest


def test_names_are_chosen_where_a_condition_says_what_they_are() -> None:
    node = parse("status:error model~x (kind:llm OR kind:tool) (kind:llm OR status:ok) score.tone:bad -user:lin").node
    assert [name.name for name in names_chosen(node)] == ["status", "kind", "tone"]


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[int], share: float) -> None:
    found = nearest_rank(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_nothing_has_no_percentile_and_no_share() -> None:
    assert nearest_rank([], 0.5) is None
    assert Figures().error_share is None
    assert Figures().total_tokens is None


def test_many_numbers_of_a_score_become_ranges_that_hold_them_all() -> None:
    values = ScoreValues(numbers={f"t{index}": [index / 10] for index in range(11)})
    choices = score_choices("relevance", values, limit=8)
    assert [typed(choice.node) for choice in choices] == [
        "score.relevance <= 0.25", "score.relevance:[0.25 TO 0.5]", "score.relevance:[0.5 TO 0.75]",
        "score.relevance >= 0.75",
    ]  # fmt: skip
    assert [choice.count for choice in choices] == [3, 3, 3, 3]  # 0.5 belongs to both sides of it, as the query says
    few = ScoreValues(numbers={"a": [1.0], "b": [2.0, 1.0]}, labels={"true": {"c"}})
    assert [(typed(choice.node), choice.count) for choice in score_choices("stars", few, limit=8)] == [
        ("score.stars:true", 1), ("score.stars:1", 2), ("score.stars:2", 1),
    ]  # fmt: skip
