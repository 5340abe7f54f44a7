"""MLflow's filters for traces, read into conditions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.tracing.mlflow_filter import Condition, Entity, conditions, orders


@pytest.mark.parametrize(
    ("text", "entity", "key", "operator", "value"),
    [
        ("trace.status = 'OK'", Entity.ATTRIBUTE, "status", "=", "OK"),
        ("attributes.timestamp_ms>=12", Entity.ATTRIBUTE, "timestamp_ms", ">=", 12.0),
        ("execution_time < 1.5e3", Entity.ATTRIBUTE, "execution_time_ms", "<", 1500.0),
        ('tags."my key" != "a b"', Entity.TAG, "my key", "!=", "a b"),
        ("tag.`mlflow.traceName` ilike '%x%'", Entity.TAG, "mlflow.traceName", "ILIKE", "%x%"),
        ("request_metadata.build is  not null", Entity.METADATA, "build", "IS NOT NULL", None),
        ("metadata.mlflow.modelId = 'm'", Entity.METADATA, "mlflow.modelId", "=", "m"),
        ("span.type IN ('LLM', 'TOOL')", Entity.SPAN, "type", "IN", ("LLM", "TOOL")),
        ("feedback.quality > -0.5", Entity.FEEDBACK, "quality", ">", -0.5),
        ("expectation.answer = 'it''s'", Entity.EXPECTATION, "answer", "=", "it's"),
    ],
)
def test_a_comparison_is_read(text: str, entity: Entity, key: str, operator: str, value: object) -> None:
    wanted = Condition(entity=entity, key=key, operator=operator, value=value)  # type: ignore[arg-type]
    assert conditions(text) == (wanted,)
    assert conditions(f"{text} AND {text}  and {text} ") == (wanted,) * 3


@given(st.text(st.characters(exclude_characters="'\\", exclude_categories=["Cs"])))
def test_any_text_in_quotes_comes_out_as_it_is(value: str) -> None:
    (found,) = conditions(f"tags.a = '{value}'")
    assert found.value == value


@given(st.text(max_size=40))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    with suppress(InvalidError):
        conditions(text)


@pytest.mark.parametrize(
    "text",
    [
        "status", "status =", "status = OK", "status = 'OK' AND", "status = 'OK' name = 'x'",
        "status = 'OK' OR name = 'x'",
        "colour = 'red'", "span.colour = 'red'", "row.name = 'x'", "status > 'OK'", "timestamp_ms = 'now'", "name = 3",
        "tags.a IN ('b')", "name IN 'b'", "name RLIKE 'x'", "text = 'x'", "AND", "name IN ('a' 'b')",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        conditions(text)


def test_nothing_asks_for_nothing() -> None:
    assert conditions(None) == conditions("  ") == ()


def test_orders_are_read() -> None:
    found = orders(["timestamp_ms DESC", "attributes.execution_time", "`name` asc"])
    assert [(each.key, each.is_rising) for each in found] == [
        ("timestamp_ms", False), ("execution_time_ms", True), ("name", True),
    ]  # fmt: skip


@pytest.mark.parametrize("clause", ["", "tags.a DESC", "colour", "timestamp_ms SIDEWAYS", "text"])
def test_orders_by_what_has_none_are_refused(clause: str) -> None:
    with pytest.raises(InvalidError):
        orders([clause])
