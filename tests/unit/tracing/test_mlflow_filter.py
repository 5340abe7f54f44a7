"""MLflow's filters for traces, read into conditions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.tracing.mlflow_filter import Condition, Entity, conditions, orders
from aiplatform.tracing.query import QueryError


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
        ("trace.name RLIKE '^a+$'", Entity.ATTRIBUTE, "name", "RLIKE", "^a+$"),
        ("span.attributes.k = 'v'", Entity.SPAN_ATTRIBUTE, "k", "=", "v"),
        ("span.attributes.http.status_code >= 500", Entity.SPAN_ATTRIBUTE, "http.status_code", ">=", 500.0),
        ("span.attributes.`we ird` not in ('a', 'b')", Entity.SPAN_ATTRIBUTE, "we ird", "NOT IN", ("a", "b")),
        ("span.attribute.k IS NULL", Entity.SPAN_ATTRIBUTE, "k", "IS NULL", None),
        ("tags.attributes.k = 'v'", Entity.TAG, "attributes.k", "=", "v"),
        ("metadata.`a.b` != 'a\\'b'", Entity.METADATA, "a.b", "!=", "a'b"),
        ("expectation.answer = 'it''s'", Entity.EXPECTATION, "answer", "=", "it's"),
    ],
)
def test_a_comparison_is_read(text: str, entity: Entity, key: str, operator: str, value: object) -> None:
    wanted = Condition(entity=entity, key=key, operator=operator, value=value)  # type: ignore[arg-type]
    assert conditions(text) == (wanted,)
    assert conditions(f"{text} AND {text}  and {text} ") == (wanted,) * 3


@given(st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"])))
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
        "tags.a IN ('b')", "name IN 'b'", "name RLIKE '(?=x)'", "text = 'x'", "AND", "name IN ('a' 'b')",
        "span.attributes", "span.attributes.`` = 'x'", "span.attributes.k > 'x'", "span.attributes.k LIKE 3",
        "span.content RLIKE 'x'", "trace.attributes.name = 'x'",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        conditions(text)


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("trace.colour = 'red'", 1, "mlflow.filter_name"),
        ("status = 'OK' OR name = 'x'", 14, "mlflow.filter"),
        ("status 'OK'", 8, "mlflow.filter"),
        ("status = OK", 10, "mlflow.filter"),
        ("name = 'x' AND status > 'OK'", 16, "mlflow.filter_operator"),
        ("name = 'x' AND  name RLIKE '(?=x)'", 17, "query.expression"),
        (" AND ".join(["name = 'x'"] * 101), 1500, "query.too_long"),
        ("name = '" + "x" * 4000 + "'", 1, "query.too_long"),
    ],
)
def test_a_refusal_names_its_column(text: str, column: int, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        conditions(text)
    assert (caught.value.fields["column"], caught.value.reason) == (column, reason)
    assert caught.value.localized("zh_CN") != caught.value.localized("en")


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
