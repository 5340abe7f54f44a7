"""MLflow's filter strings, read as the same conditions in our own language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.query import QueryError, parse, show
from aiplatform.tracing.query.mlflow import from_mlflow


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("trace.status = 'OK'", "status:ok"),
        ("attributes.status != 'ERROR' AND name = 'chat'", 'NOT status:error AND name = "chat"'),
        ("status IN ('OK', 'IN_PROGRESS')", "status in (ok, running)"),
        ("trace.name LIKE '%ch_t.%'", r'name =~ "^.*ch.t\\..*$"'),
        ("trace.name ILIKE 'Chat%'", 'name =~ "(?i)^Chat.*$"'),
        ("trace.name RLIKE '^a+$'", 'name =~ "^a+$"'),
        ("execution_time_ms > 5", "duration > 5999999ns"),
        ("trace.execution_time_ms >= 5 AND trace.execution_time_ms <= 9",
         "duration >= 5ms AND duration <= 9999999ns"),
        ("timestamp_ms < 1700000000000", "start < 2023-11-14T22:13:20Z"),
        ("timestamp = 1700000000000", "start:[2023-11-14T22:13:20Z TO 2023-11-14T22:13:20.000999999Z]"),
        ("request_id = 'tr-0AF7'", "trace:0af7"),
        ("tag.env = 'prod'", 'tag in ("env:prod")'),
        ("tags.`a.b` != 'x'", r'tag =~ "^a\\.b:" AND NOT tag in ("a.b:x")'),
        ("tag.env LIKE 'pr%'", 'tag =~ "^env:pr.*$"'),
        ("tag.env IS NULL", 'NOT tag =~ "^env:"'),
        ("request_metadata.`mlflow.trace.session` = 's-1' AND metadata.user = 'lin'",
         'session = "s-1" AND metadata.user = "lin"'),
        ("feedback.score > 0.5 AND feedback.verdict = 'good'", 'score.score > 0.5 AND score.verdict = "good"'),
        ("expectation.answer IS NOT NULL", "score.answer exists"),
        ("span.name LIKE '%x%' AND span.type = 'CHAT_MODEL'", 'span(name =~ "^.*x.*$") AND span(kind:llm)'),
        ("span.status = 'ERROR' AND span.type NOT IN ('TOOL', 'AGENT')",
         "span(status:error) AND span(NOT kind in (tool, agent))"),
        ("span.attributes.k = 'v' AND span.attributes.http.status_code >= 500",
         'attributes.k = "v" AND attributes.http.status_code >= 500'),
        ("span.attributes.`we ird` NOT IN ('a', 'b')",
         'attributes."we ird" exists AND NOT attributes."we ird" in ("a", "b")'),
        ("span.content LIKE '%late refund%'", '"late refund"'),
        ("trace.name = 'it''s' and trace.name != \"a\\\"b\"", r'name = "it' + "'" + r's" AND name != "a\"b"'),
    ],
)  # fmt: skip
def test_a_filter_means_the_same_as_our_own_query(text: str, means: str) -> None:
    assert from_mlflow(text) == parse(means).node


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("trace.colour = 'red'", 1, "query.unknown_field"),
        ("status = 'OK' OR name = 'x'", 15, "query.syntax"),
        ("status 'OK'", 7, "query.syntax"),
        ("status = OK", 10, "query.syntax"),
        ("name = 'x' AND status = 'FINE'", 16, "query.value"),
        ("status > 'OK'", 1, "query.operator"),
        ("timestamp_ms LIKE '1%'", 1, "query.operator"),
        ("span.content != 'x'", 1, "query.operator"),
        ("name RLIKE '(?=x)'", 1, "query.expression"),
        ("name IN ('a'", 13, "query.syntax"),
        ("name = ", 8, "query.syntax"),
    ],
)
def test_what_mlflow_does_not_have_is_refused_with_its_column(text: str, column: int, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        from_mlflow(text)
    assert (caught.value.fields["column"], caught.value.reason) == (column, reason)
    assert "^" in str(caught.value.localized_hint("en"))


@given(st.text("abtrace.spnIN()'=>%` AND0123", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        node = from_mlflow(text)
    except QueryError:
        return
    assert node is None or parse(show(node)).node == node


def test_nothing_asks_for_nothing() -> None:
    assert from_mlflow("  ") is None
