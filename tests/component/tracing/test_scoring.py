"""Scores over REST: names in use, deleting, and who may change whose, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from aiplatform.core.errors import InvalidError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tenancy import audit_events
from aiplatform.tenancy.responses import install_error_handlers
from aiplatform.tenancy.routing import attach
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.scoring import value_of
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller

TRACE = trace_id_of(1).hex()
Ask = Callable[..., Any]


@pytest.fixture
def ask(traces: Traces) -> Ask:
    """A function that asks as `<tenant>/<project>/<role>`, with a key of its own."""
    from starlette.testclient import TestClient

    app = FastAPI()
    install_error_handlers(app)
    attach(app, [build_routes(traces)])
    client = TestClient(KeyNamesCaller(app))

    def asked(method: str, path: str, who: str = "acme", **options: Any) -> Any:
        headers = {"authorization": f"Bearer {who}"}
        return client.request(method, f"/api/v1{path}", headers=headers, **options)

    return asked


def give(traces: Traces, name: str, value: ScoreValue, *, by: str = "key:acme", scope: Scope = SCOPE) -> str:
    score = traces.add_score(scope, trace_id=TRACE, name=name, value=value, source=ScoreSource.HUMAN, principal=by)
    return score.score_id


def names_of(answer: Any) -> list[tuple[str, str, int, list[str]]]:
    return [(each["name"], each["type"], each["count"], each["labels"]) for each in answer.json()["items"]]


def test_names_in_use_come_with_type_and_labels_the_commonest_first(traces: Traces, ask: Ask) -> None:
    for value in ("warm", "cold", "cold"):
        give(traces, "tone", value)
    give(traces, "relevance", 0.5)
    give(traces, "relevance", True)
    give(traces, "relevance", 0.7)
    give(traces, "secret", 1.0, scope=Scope(tenant_id="rival", project_id="default"))
    give(traces, "elsewhere", 1.0, scope=Scope(tenant_id="acme", project_id="other"))
    assert names_of(ask("GET", "/scores/names")) == [
        ("relevance", "numeric", 3, []),
        ("tone", "label", 3, ["cold", "warm"]),
    ]
    assert names_of(ask("GET", "/scores/names", params={"limit": 1})) == [("relevance", "numeric", 3, [])]
    assert names_of(ask("GET", "/scores/names", "rival")) == [("secret", "numeric", 1, [])]


def test_ones_own_score_is_deleted_and_given_back_and_the_audit_knows(
    traces: Traces, ask: Ask, database: Database
) -> None:
    kept, gone = give(traces, "a", 1.0), give(traces, "b", 0.25)
    answer = ask("DELETE", f"/scores/{gone}")
    assert (answer.status_code, answer.json()["value"], answer.json()["trace_id"]) == (200, 0.25, TRACE)
    assert [score.score_id for score in traces.scores(SCOPE)] == [kept]
    assert ask("DELETE", f"/scores/{gone}").status_code == 404
    with database.read(SCOPE) as tx:
        events = [(row.action, row.target) for row in tx.execute(select(audit_events))]
    assert events == [("scores.delete", gone)]


def test_anothers_score_is_deleted_by_admins_alone(traces: Traces, ask: Ask) -> None:
    score_id = give(traces, "a", 1.0, by="user:lin@example.com")
    refused = ask("DELETE", f"/scores/{score_id}")
    assert (refused.status_code, refused.json()["error"]["code"].split(".")[-1]) == (403, "not_your_score")
    assert ask("DELETE", f"/scores/{score_id}", "acme/default/viewer").status_code == 403
    for stranger in ("rival/default/admin", "acme/other/admin"):
        assert ask("DELETE", f"/scores/{score_id}", stranger).status_code == 404
    assert len(traces.scores(SCOPE)) == 1
    assert ask("DELETE", f"/scores/{score_id}", "acme/default/admin").status_code == 200
    assert traces.scores(SCOPE) == []


def test_what_a_person_said_is_not_replaced_by_another_and_what_code_said_is(traces: Traces, ask: Ask) -> None:
    traces.ingest(SCOPE, export_request([make_span()]).SerializeToString())
    human = give(traces, "a", 1.0, by="user:lin@example.com")
    code = traces.add_score(
        SCOPE, trace_id=TRACE, name="b", value=0.0, source=ScoreSource.CODE, principal="key:older"
    ).score_id
    body = {"trace_id": TRACE, "name": "a", "value": 0.5}
    assert ask("POST", "/scores", json={**body, "score_id": human}).status_code == 403
    assert ask("POST", "/scores", json={**body, "score_id": code}).status_code == 201
    assert ask("POST", "/scores", "acme/default/admin", json={**body, "score_id": human}).status_code == 201
    assert {score.value for score in traces.scores(SCOPE)} == {0.5}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [(" 0.8 ", ScoreType.NUMERIC, 0.8), ("Yes", ScoreType.BOOLEAN, True), ("否", ScoreType.BOOLEAN, False),
     (" warm ", ScoreType.LABEL, "warm"), ("1", ScoreType.TEXT, "1")],
)  # fmt: skip
def test_what_is_typed_is_read_as_its_type(text: str, kind: ScoreType, value: ScoreValue) -> None:
    assert value_of(text, kind) == value
    assert type(value_of(text, kind)) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"), [("0,8", ScoreType.NUMERIC), ("", ScoreType.LABEL), ("perhaps", ScoreType.BOOLEAN)]
)
def test_what_is_none_is_refused(text: str, kind: ScoreType) -> None:
    with pytest.raises(InvalidError):
        value_of(text, kind)
