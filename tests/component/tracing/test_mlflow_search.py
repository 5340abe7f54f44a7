"""MLflow's searches, against what the traces of the project are known to hold."""

from __future__ import annotations

import pytest

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.mlflow_traces import MlflowTraces
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE

START_NS = 1_790_000_000 * SECOND_NS
OTHER = Scope(tenant_id="zed", project_id="default")


def name_of(number: int) -> str:
    return f"tr-{trace_id_of(number).hex()}"


@pytest.fixture
def mlflow(traces: Traces, database: Database) -> MlflowTraces:
    """Three traces: a good one, a failed one, a slow one; and one of another tenant with the same id as the first."""
    service = MlflowTraces(traces, database)
    spans = [
        make_span(1, trace=1, name="Answer", start_ns=START_NS, attributes={"mlflow.spanType": "CHAIN"}),
        make_span(2, trace=1, parent=1, name="call", start_ns=START_NS, attributes={"mlflow.spanType": "CHAT_MODEL"}),
        make_span(
            3,
            trace=2,
            name="look up",
            start_ns=START_NS + SECOND_NS,
            error="no page",
            attributes={"http.status_code": 503, "db.system": "pg*sql", "session.id": "s-2", "user.id": "lin"},
        ),
        make_span(
            4,
            trace=3,
            name="answer",
            start_ns=START_NS + 2 * SECOND_NS,
            duration_ns=90 * SECOND_NS,
            attributes={"http.status_code": 200, "we ird": "Line one\nline two", "input.value": "a late refund"},
        ),
    ]
    traces.ingest(SCOPE, export_request(spans).SerializeToString())
    traces.ingest(OTHER, export_request([make_span(1, trace=1, name="foreign")]).SerializeToString())
    service.arrived(SCOPE, [trace_id_of(1).hex(), trace_id_of(2).hex()], "7")
    service.set_tag(SCOPE, name_of(1), {"key": "env", "value": "prod"})
    service.set_tag(SCOPE, name_of(2), {"key": "env", "value": "Test"})
    for number, value in ((1, 0.9), (2, 0.1), (3, "fine"), (3, False)):
        sent = {"assessment_name": "quality" if number < 3 else f"{type(value).__name__}", "feedback": {"value": value}}
        service.assessments.create(SCOPE, name_of(number), {"assessment": sent}, principal="p")
    expected = {"assessment_name": "quality", "expectation": {"value": 0.9}}
    service.assessments.create(SCOPE, name_of(3), {"assessment": expected}, principal="p")
    return service


def found(
    mlflow: MlflowTraces, filter_string: str, *experiments: str, scope: Scope = SCOPE, **more: object
) -> list[int]:
    locations = [{"mlflow_experiment": {"experiment_id": each}} for each in experiments or ("0", "7")]
    answer = mlflow.search(scope, {"locations": locations, "filter": filter_string, **more})
    return [int(each["trace_id"][-4:], 16) for each in answer["traces"]]


@pytest.mark.parametrize(
    ("filter_string", "wanted"),
    [
        ("", [3, 2, 1]),
        ("status = 'ok'", [3, 1]),
        ("status != 'OK'", [2]),
        ("status IN ('ERROR', 'IN_PROGRESS')", [2]),
        ("name = 'answer'", [3]),
        ("name ILIKE 'ANSWER'", [3, 1]),
        ("name LIKE 'A%'", [1]),
        ("name LIKE '%look%'", [2]),
        ("tags.env = 'prod'", [1]),
        ("tags.env != 'prod'", [2]),
        ("tags.env LIKE 'test'", []),
        ("tags.env ILIKE 'test'", [2]),
        ("tags.env IS NULL", [3]),
        ("tags.env IS NOT NULL", [2, 1]),
        ("execution_time_ms = 1000", [2, 1]),
        ("execution_time_ms > 1000", [3]),
        ("execution_time_ms >= 1000.5", [3]),
        ("execution_time_ms <= 1000", [2, 1]),
        ("execution_time_ms < 1000", []),
        (f"timestamp_ms > {START_NS // 1_000_000}", [3, 2]),
        (f"timestamp_ms >= {START_NS // 1_000_000}", [3, 2, 1]),
        (f"end_time_ms < {START_NS // 1_000_000 + 2000}", [1]),
        ("span.name = 'call'", [1]),
        ("span.type = 'CHAT_MODEL'", [1]),
        ("span.type IN ('LLM', 'TOOL')", [1]),
        ("span.status = 'ERROR'", [2]),
        ("feedback.quality > 0.5", [1]),
        ("feedback.quality <= 0.9", [2, 1]),
        ("feedback.quality = 0.9", [1]),
        ("feedback.quality != 0.9", [2]),
        ("feedback.quality IS NULL", [3]),
        ("feedback.str = 'fine'", [3]),
        ("feedback.bool = 'false'", [3]),
        ("feedback.bool = 'true'", []),
        ("expectation.quality = 0.9", [3]),
        ("expectation.quality > 1", []),
        ("text LIKE '%no page%'", [2]),
        ("text LIKE '%page no%'", []),
        ("span.content ILIKE '%late%refund%'", [3]),
        ("text LIKE '%refund%' AND text LIKE '%page%'", []),
        ("text LIKE '%'", [3, 2, 1]),
        ("name RLIKE '^[Aa]nswer$'", [3, 1]),
        ("name RLIKE 'k u'", [2]),
        ("tags.env RLIKE '^p.od$'", [1]),
        ("feedback.str RLIKE 'in'", [3]),
        ("span.name RLIKE '^c.ll$'", [1]),
        ("span.type LIKE 'CHAT%'", [1]),
        ("span.type RLIKE 'MODEL$'", [1]),
        ("name LIKE 'an[s]wer'", []),
        ("name LIKE 'answ_r'", [3]),
        ("span.attributes.http.status_code = 503", [2]),
        ("span.attributes.http.status_code >= 200", [3, 2]),
        ("span.attributes.http.status_code != 503", [3]),
        ("span.attributes.http.status_code IN ('503', '404')", [2]),
        ("span.attributes.http.status_code NOT IN ('503')", [3]),
        ("span.attributes.http.status_code IS NULL", [1]),
        ("span.attributes.http.status_code IS NOT NULL AND span.attributes.db.system IS NULL", [3]),
        ("span.attributes.db.system LIKE 'pg*%'", [2]),
        ("span.attributes.db.system ILIKE 'PG_sql'", [2]),
        ("span.attributes.db.system LIKE 'PG%'", []),
        ("span.attributes.`we ird` RLIKE 'one.line'", [3]),
        ("span.attributes.`we ird` LIKE 'Line%two'", [3]),
        ("metadata.`mlflow.trace.session` = 's-2'", [2]),
        ("metadata.mlflow.trace.user IS NULL", [3, 1]),
        ("status = 'OK' AND feedback.quality > 0.5 AND tags.env = 'prod'", [1]),
    ],
)
def test_a_filter_finds_the_traces_for_which_it_holds(
    mlflow: MlflowTraces, filter_string: str, wanted: list[int]
) -> None:
    assert found(mlflow, filter_string) == wanted


def test_both_filters_of_the_list_must_hold(mlflow: MlflowTraces, traces: Traces, platform: PlatformUnderTest) -> None:
    platform.attach(build_routes(traces))

    def listed(tenant: str = "acme", **params: str) -> list[int]:
        answer = platform.client(Role.VIEWER, tenant=tenant).get("/api/v1/traces", params=params)
        assert answer.status_code == 200, answer.text
        return [int(item["trace_id"][-4:], 16) for item in answer.json()["items"]]

    assert listed(filter_string="tags.env = 'prod' AND span.type = 'CHAT_MODEL'") == [1]
    assert listed(filter_string="feedback.quality > 0") == [2, 1]
    assert listed(filter_string="feedback.quality > 0", q="status:error") == [2]
    # Both go to the index, with parameters of their own.
    both = {"q": "attributes.db.system:pg* attributes.http.status_code:>100 page"}
    assert listed(filter_string="span.attributes.http.status_code > 500 AND text LIKE '%no page%'", **both) == [2]
    assert listed(filter_string="span.attributes.http.status_code < 500", **both) == []
    assert listed(filter_string="name LIKE 'answ%'", q="duration > 1m") == [3]
    assert listed("zed", filter_string="span.attributes.http.status_code > 0") == []
    assert listed("zed", filter_string="tags.env IS NULL") == [1]
    refused = platform.client(Role.VIEWER, tenant="acme").get(
        "/api/v1/traces", params={"filter_string": "colour = 'x'"}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "mlflow.filter_name")


def test_an_experiment_holds_what_was_sent_into_it_and_0_all_the_rest(mlflow: MlflowTraces) -> None:
    assert found(mlflow, "", "7") == [2, 1]
    assert found(mlflow, "", "0") == [3]
    assert found(mlflow, "", "8") == []


@pytest.mark.parametrize("order", ["timestamp_ms ASC", "execution_time_ms DESC", "name", "status DESC"])
def test_pages_of_one_walk_the_whole_list_once(mlflow: MlflowTraces, order: str) -> None:
    whole = found(mlflow, "", order_by=[order])
    walked: list[int] = []
    token = None
    locations = [{"mlflow_experiment": {"experiment_id": each}} for each in ("0", "7")]
    while True:
        body = {"locations": locations, "order_by": [order], "max_results": 1, "page_token": token}
        answer = mlflow.search(SCOPE, body)
        walked += [int(each["trace_id"][-4:], 16) for each in answer["traces"]]
        token = answer.get("next_page_token")
        if token is None:
            break
    assert walked == whole
    assert sorted(whole) == [1, 2, 3]


def test_another_tenant_finds_only_its_own(mlflow: MlflowTraces) -> None:
    assert found(mlflow, "", scope=OTHER) == [1]
    assert found(mlflow, "tags.env IS NULL", scope=OTHER) == [1]
    assert found(mlflow, "feedback.quality > 0", scope=OTHER) == []
    assert found(mlflow, "span.name = 'call'", scope=OTHER) == []
    assert mlflow.info(OTHER, name_of(1))["trace"]["trace_info"]["assessments"] == []
    with pytest.raises(NotFoundError):
        mlflow.get(OTHER, name_of(2))


def test_deleting_in_one_tenant_leaves_the_other_its_trace_of_the_same_id(mlflow: MlflowTraces) -> None:
    ids = [name_of(1), name_of(2)]
    assert mlflow.delete(OTHER, {"experiment_id": "0", "request_ids": ids}) == {"traces_deleted": 1}
    assert found(mlflow, "") == [3, 2, 1]
    assert found(mlflow, "", scope=OTHER) == []


def test_deleting_up_to_a_time_begins_with_the_oldest(mlflow: MlflowTraces) -> None:
    body = {"experiment_id": "7", "max_timestamp_millis": START_NS // 1_000_000 + 5000, "max_traces": 1}
    assert mlflow.delete(SCOPE, body) == {"traces_deleted": 1}
    assert found(mlflow, "") == [3, 2]
    assert mlflow.delete(SCOPE, {**body, "max_traces": 9}) == {"traces_deleted": 1}
    assert found(mlflow, "") == [3]
    with pytest.raises(InvalidError):
        mlflow.delete(SCOPE, {"experiment_id": "7"})


def test_more_than_one_transactions_worth_is_deleted_whole(
    mlflow: MlflowTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiplatform.tracing.mlflow_traces.DELETED_AT_ONCE", 1)
    body = {"experiment_id": "7", "max_timestamp_millis": START_NS // 1_000_000 + 5000}
    assert mlflow.delete(SCOPE, body) == {"traces_deleted": 2}
    assert found(mlflow, "") == [3]


def test_what_is_said_before_the_spans_arrive_is_kept_for_them(traces: Traces, database: Database) -> None:
    service = MlflowTraces(traces, database)
    info = {
        "trace_id": name_of(9),
        "trace_location": {"mlflow_experiment": {"experiment_id": "7"}},
        "state": "ERROR",
        "tags": {"env": "prod"},
        "trace_metadata": {"mlflow.trace.session": "s-9", "mlflow.trace.user": "lin"},
    }
    service.start(SCOPE, {"trace": {"trace_info": info}})
    with pytest.raises(NotFoundError):
        service.info(SCOPE, name_of(9))
    traces.ingest(SCOPE, export_request([make_span(1, trace=9)]).SerializeToString())
    service.arrived(SCOPE, [trace_id_of(9).hex()], "7")
    summary = traces.get(SCOPE, name_of(9)).summary
    assert (summary.session_id, summary.user_id) == ("s-9", "lin")
    assert found(service, "status = 'ERROR' AND tags.env = 'prod'", "7") == [9]


def test_a_deleted_scope_takes_what_was_said_about_its_traces_along(mlflow: MlflowTraces, traces: Traces) -> None:
    traces.delete_scope(SCOPE)
    traces.ingest(SCOPE, export_request([make_span(1, trace=1)]).SerializeToString())
    assert found(mlflow, "tags.env IS NULL") == [1]
