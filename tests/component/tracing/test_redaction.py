"""After a policy is set, nothing in the database or its index holds a planted secret, whichever way it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import select, text
from typer.testing import CliRunner

from aiplatform.cli.redaction import app as redaction_command
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, PermissionDeniedError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables import metadata
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.otlp import any_value_of, export_request, logs_request, make_record, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource, TraceFilter
from aiplatform.tracing.redaction_service import REFRESH_S
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import signals_app

SCOPE = Scope(tenant_id="default", project_id="default")
RIVAL = Scope(tenant_id="rival", project_id="default")
SECRETS = (
    "zhang.san@example.com", "13812345678", "11010519491231002X", "6222021234567890128", "sk-proj-abcdefghij0123456789",
    "TICKET-9981", "only-by-name",
)  # fmt: skip
POLICY = {
    "rules": ["secret", "email", "id", "card", "phone"],
    "patterns": [{"name": "ticket", "pattern": "TICKET-[0-9]+"}],
    "attributes": ["customer.*"],
}
ALL_OF_THEM = " / ".join(SECRETS[:-1])


def planted(number: int = 1) -> Span:
    """A span with every secret in every place that holds a text."""
    nested = json.dumps({"messages": [{"role": "user", "content": json.dumps({"q": ALL_OF_THEM})}]})
    span = make_span(
        number,
        trace=number,
        name=f"ask {ALL_OF_THEM}",
        error=f"failed for {ALL_OF_THEM}",
        attributes={
            "input.value": nested, "output.value": f"回答 {ALL_OF_THEM} 完", "user.id": "zhang.san@example.com",
            "session.id": "s 13812345678", "customer.name": "only-by-name", "customer.more": {"deep": "only-by-name"},
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": ALL_OF_THEM}]}],
            "kept": "why? 为什么", "count": 12, "list": [ALL_OF_THEM, 7], "bytes": ALL_OF_THEM.encode(),
            f"of {SECRETS[0]}": 1, "card": int(SECRETS[3]), "gen_ai.request.model": "m",
        },
    )  # fmt: skip
    event = span.events.add(name=f"exception {ALL_OF_THEM}")
    event.attributes.append(KeyValue(key="exception.message", value=any_value_of(ALL_OF_THEM)))
    link = span.links.add(trace_id=trace_id_of(5), trace_state=f"a={SECRETS[0]}")
    link.attributes.append(KeyValue(key="x", value=any_value_of({"y": [ALL_OF_THEM]})))
    span.trace_state = f"a={SECRETS[0]}"
    return span


def request_of(*spans: Span) -> Any:
    resource = {"service.name": f"shop {ALL_OF_THEM}", "host": ALL_OF_THEM, "customer.host": "only-by-name"}
    return export_request(spans, resource=resource, scope_name=f"lib {ALL_OF_THEM}")


def everything_stored(database: Database, folder: Path) -> bytes:
    """All bytes that rest: the files of SQLite with their logs, or every column of every row of PostgreSQL."""
    if database.dialect == "sqlite":
        files = [path for path in folder.iterdir() if path.name.startswith(("platform.db", "text.db"))]
        assert len(files) >= 2
        return b"\n".join(path.read_bytes() for path in files)
    found: list[bytes] = []
    with database.system("test", write=False) as tx:
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)):
                found += [bytes(value) if isinstance(value, bytes) else str(value).encode() for value in row]
        names = tx.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).scalars().all()
    assert len(names) >= len(metadata.sorted_tables)
    return b"\n".join(found)


@pytest.fixture
def admin(platform: PlatformUnderTest, traces: Traces) -> Client:
    platform.attach(build_routes(traces))
    return platform.api(Role.ADMIN)


@pytest.fixture
def send(platform: PlatformUnderTest, traces: Traces, database: Database) -> Iterator[Any]:
    """Sends a request over HTTP with a key of a tenant, as protobuf or as JSON."""
    with PlatformUnderTest(database) as door:
        door.serve_raw(signals_app(traces))

        def post(request: Any, *, tenant: str = "default", as_json: bool = False, path: str = "/v1/traces") -> None:
            http: httpx.Client = door.client(tenant=tenant)
            kind = "application/json" if as_json else "application/x-protobuf"
            body = json_of(request) if as_json else request.SerializeToString()
            answer = http.post(path, content=body, headers={"content-type": kind})
            assert answer.status_code == 200, answer.text

        yield post


def json_of(request: Any) -> bytes:
    """OTLP's JSON: ids in hexadecimal."""
    document = json_format.MessageToDict(request)
    for group in document["resourceSpans"]:
        for scoped in group["scopeSpans"]:
            for item, span in zip(scoped["spans"], request.resource_spans[0].scope_spans[0].spans, strict=True):
                item |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
                for link in item["links"]:
                    link["traceId"] = trace_id_of(5).hex()
    return json.dumps(document).encode()


def test_no_planted_secret_rests_anywhere(
    traces: Traces, admin: Client, send: Any, database: Database, tmp_path: Path
) -> None:
    admin.put("/api/v1/redaction", POLICY)
    send(request_of(planted(1)))
    send(request_of(planted(2)), as_json=True)
    traces.ingest(SCOPE, request_of(planted(3)).SerializeToString())
    traces.add_score(
        SCOPE, trace_id=trace_id_of(1).hex(), name="n", value=ALL_OF_THEM, source=ScoreSource.HUMAN,
        principal="user:test", comment=f"see {ALL_OF_THEM}",
    )  # fmt: skip
    said = {"content": ALL_OF_THEM, "customer.name": "only-by-name", "more": [json.dumps({"q": ALL_OF_THEM})]}
    judged = {"gen_ai.evaluation.name": "n", "gen_ai.evaluation.score.label": "x",
              "gen_ai.evaluation.explanation": ALL_OF_THEM}  # fmt: skip
    records = [
        make_record("gen_ai.user.message", said, {"customer.id": "only-by-name", "x": ALL_OF_THEM}),
        make_record("gen_ai.client.inference.operation.details", None, {"gen_ai.input.messages": ALL_OF_THEM}),
        make_record("gen_ai.evaluation.result", None, judged),
    ]
    records[0].severity_text = ALL_OF_THEM
    send(logs_request(records), path="/v1/logs")
    while traces.update_index():
        pass
    stored = everything_stored(database, tmp_path)
    assert [secret for secret in SECRETS if secret.encode() in stored or secret.lower().encode() in stored] == []
    assert "why? 为什么".encode() in stored  # else the search would prove nothing
    found = traces.list(SCOPE, TraceFilter(text="为什么")).items or traces.list(SCOPE).items
    assert len(found) == 3
    assert {(one.user_id, one.session_id) for one in found} == {("[email]", "s [phone]")}
    assert traces.list(SCOPE, TraceFilter(text="zhang.san@example.com")).items == []


def test_a_redacted_span_is_a_span_with_all_the_rest_as_it_was(traces: Traces, admin: Client) -> None:
    admin.put("/api/v1/redaction", POLICY)
    sent = planted(1)
    traces.ingest(SCOPE, request_of(sent).SerializeToString())
    with traces._database.read(SCOPE) as tx:
        raw = Span.FromString(bytes(tx.execute(select(spans_table.c.raw)).scalar_one()))
    assert (raw.trace_id, raw.span_id, raw.start_time_unix_nano) == (
        sent.trace_id,
        sent.span_id,
        sent.start_time_unix_nano,
    )
    detail = traces.span(SCOPE, trace_id_of(1).hex(), sent.span_id.hex())
    assert (detail.attributes["kept"], detail.attributes["count"]) == ("why? 为什么", 12)
    assert detail.attributes["list"][1] == 7
    inner = json.loads(detail.input["messages"][0]["content"])
    assert inner == {"q": "[email] / [phone] / [id] / [card] / [secret] / [ticket]"}
    assert detail.attributes["customer.more"] == "[removed]"


def test_another_tenant_stays_byte_for_byte(traces: Traces, admin: Client, send: Any) -> None:
    admin.put("/api/v1/redaction", POLICY)
    span = planted(1)
    send(request_of(span), tenant="rival")
    with traces._database.read(RIVAL) as tx:
        assert bytes(tx.execute(select(spans_table.c.raw)).scalar_one()) == span.SerializeToString()


def test_a_project_may_have_a_policy_of_its_own(traces: Traces, platform: PlatformUnderTest, admin: Client) -> None:
    lab = platform.api(Role.ADMIN, project="lab")
    admin.put("/api/v1/redaction", {"rules": ["email"]})
    lab.put("/api/v1/redaction", {"rules": ["phone"]}, level="project")
    state = lab.get("/api/v1/redaction")
    assert state["in_force"] == state["project"]
    assert (state["project"]["rules"], state["tenant"]["rules"]) == (["phone"], ["email"])
    for project, name in (("default", "[email] 13812345678"), ("lab", "a@b.com [phone]")):
        scope = Scope(tenant_id="default", project_id=project)
        traces.ingest(scope, export_request([make_span(name="a@b.com 13812345678")]).SerializeToString())
        assert [one.name for one in traces.list(scope).items] == [name]
    lab.delete("/api/v1/redaction", level="project")
    assert lab.get("/api/v1/redaction")["in_force"]["rules"] == ["email"]
    admin.delete("/api/v1/redaction")
    assert lab.get("/api/v1/redaction") == {"in_force": None, "tenant": None, "project": None}
    actions = [item["action"] for item in _audited(traces)]
    assert actions == ["redaction.set", "redaction.set", "redaction.remove", "redaction.remove"]


def test_every_process_follows_within_seconds(database: Database, tmp_path: Path, admin: Client) -> None:
    clock = FakeClock()
    other = Traces(database, index_path=tmp_path / "other.db", clock=clock)
    try:
        assert other.redaction.of(SCOPE) is None
        admin.put("/api/v1/redaction", {"rules": ["email"]})
        clock.advance(REFRESH_S + 0.1)
        found = other.redaction.of(SCOPE)
        assert found is not None
        assert found.text("a@b.com") == "[email]"
        assert other.redaction.of(RIVAL) is None
        admin.put("/api/v1/redaction", {"rules": ["phone"]})
        clock.advance(REFRESH_S + 0.1)
        changed = other.redaction.of(SCOPE)
        assert changed is not None
        assert changed.text("a@b.com") == "a@b.com"
        admin.delete("/api/v1/redaction")
        clock.advance(REFRESH_S + 0.1)
        assert other.redaction.of(SCOPE) is None
    finally:
        other.close()


def test_spans_are_refused_while_policies_cannot_be_read(
    traces: Traces, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.put("/api/v1/redaction", {"rules": ["email"]})

    def fails(*_: Any, **__: Any) -> Any:
        raise TransientError("The database is away.")

    monkeypatch.setattr(traces._database, "system", fails)
    monkeypatch.setattr(type(traces.redaction), "is_stale", property(lambda _: True))
    with pytest.raises(TransientError):
        traces.ingest(SCOPE, request_of(planted(1)).SerializeToString())


def test_hashes_stay_equal_when_a_policy_is_set_again(traces: Traces, admin: Client) -> None:
    names = []
    for number in (1, 2):
        admin.put("/api/v1/redaction", {"rules": ["email"], "replacement": "hash"})
        traces.ingest(SCOPE, export_request([make_span(trace=number, name="a@b.com")]).SerializeToString())
        names.append(traces.get(SCOPE, trace_id_of(number).hex()).summary.name)
    assert names[0] == names[1]
    assert names[0] != "[email]"


def test_a_preview_keeps_nothing_and_says_what_it_found(traces: Traces, admin: Client) -> None:
    asked = {"texts": ["mail a@b.com", '{"a": "13812345678"}'], "policy": {"rules": ["email", "phone"]}}
    assert admin.post("/api/v1/redaction/preview", asked) == {
        "texts": ["mail [email]", '{"a": "[phone]"}'],
        "found": {"email": 1, "phone": 1},
    }
    assert admin.get("/api/v1/redaction")["in_force"] is None
    assert admin.post("/api/v1/redaction/preview", {"texts": ["a@b.com"]})["texts"] == ["a@b.com"]
    with pytest.raises(InvalidError):
        admin.put("/api/v1/redaction", {"patterns": [{"name": "a", "pattern": "("}]})


def test_only_an_admin_sees_and_sets_it(platform: PlatformUnderTest, admin: Client) -> None:
    admin.put("/api/v1/redaction", {"rules": ["email"]})
    developer = platform.api(Role.DEVELOPER)
    with pytest.raises(PermissionDeniedError):
        developer.get("/api/v1/redaction")
    with pytest.raises(PermissionDeniedError):
        developer.put("/api/v1/redaction", {"rules": []})
    assert platform.api(Role.ADMIN, tenant="rival").get("/api/v1/redaction")["in_force"] is None


def test_a_tenant_that_goes_takes_its_policies_along(traces: Traces, admin: Client) -> None:
    admin.put("/api/v1/redaction", {"rules": ["email"]})
    admin.put("/api/v1/redaction", {"rules": ["email"]}, level="project")
    traces.delete_scope(SCOPE)
    assert admin.get("/api/v1/redaction")["project"] is None
    assert admin.get("/api/v1/redaction")["tenant"] is not None
    traces.delete_scope(Scope(tenant_id="default"))
    assert admin.get("/api/v1/redaction")["tenant"] is None


def test_the_commands_set_show_and_try(
    platform: PlatformUnderTest, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.attach(build_routes(traces))
    with platform.listen() as url:
        monkeypatch.setenv("AIPLATFORM_URL", url)
        monkeypatch.setenv("AIPLATFORM_API_KEY", platform.key(Role.ADMIN))
        runner = CliRunner()
        tried = runner.invoke(
            redaction_command, ["preview", "a@b.com T-12", "--rule", "email", "--pattern", "t=T-[0-9]+"]
        )
        assert tried.stdout == "[email] [t]\n"
        assert runner.invoke(redaction_command, ["set", "--rule", "phone", "--attribute", "x.*"]).exit_code == 0
        shown = json.loads(runner.invoke(redaction_command, ["show", "--json"]).stdout)
        assert (shown["in_force"]["rules"], shown["in_force"]["attributes"]) == (["phone"], ["x.*"])
        assert runner.invoke(redaction_command, ["preview", "13812345678 a@b.com"]).stdout == "[phone] a@b.com\n"
        wrong = runner.invoke(redaction_command, ["set", "--pattern", "nameless"])
        assert isinstance(wrong.exception, InvalidError)
        assert runner.invoke(redaction_command, ["remove"]).exit_code == 0
        assert "Nothing" in runner.invoke(redaction_command, ["show"]).stdout


def _audited(traces: Traces) -> list[dict[str, Any]]:
    from aiplatform.storage.tables.tenancy import audit_events

    with traces._database.read(Scope(tenant_id="default")) as tx:
        rows = tx.execute(select(audit_events).order_by(audit_events.c.id)).all()
    return [{"action": row.action} for row in sorted(rows, key=lambda row: row.at_ns) if "redaction" in row.action]
