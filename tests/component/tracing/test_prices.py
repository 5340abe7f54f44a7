"""Costs of stored spans: by the list, by a tenant's own prices, by what the emitter says, and priced again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import update
from typer.testing import CliRunner

from aiplatform.cli.prices import app as command
from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.storage.tables.tracing import traces as traces_table
from aiplatform.tenancy.responses import install_error_handlers
from aiplatform.tenancy.routing import attach
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.pricing import Rates
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store import repricing, writing
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller

RIVAL = Scope(tenant_id="rival", project_id="default")
LAB = Scope(tenant_id="acme", project_id="lab")
RATES = Rates(input=10.0, output=20.0, cache_read=1.0)


def call(
    span: int = 1, *, model: str = "our-model", tokens: tuple[int, int, int] = (1000, 100, 0), **fields: Any
) -> Span:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
        "gen_ai.usage.cache_read.input_tokens": tokens[2],
    }
    return make_span(span, attributes=attributes | fields.pop("attributes", {}), **fields)


def ingest(traces: Traces, *spans: Span, scope: Scope = SCOPE) -> None:
    traces.ingest(scope, export_request(spans).SerializeToString())


def cost(traces: Traces, trace: int = 1, scope: Scope = SCOPE) -> dict[str, float]:
    return dict(traces.get(scope, trace_id_of(trace).hex()).summary.costs)


def put(traces: Traces, scope: Scope = SCOPE, **fields: Any) -> None:
    given: dict[str, Any] = {"model": "our-model", "currency": "USD", "rates": RATES, "principal": "user:lin"}
    traces.prices.put(scope, **(given | fields))


def reprice(traces: Traces, scope: Scope = SCOPE, since_ns: int = 0) -> tuple[int, int, int]:
    pieces = looked_at = changed = 0
    place: str | None = ""
    while place is not None:
        piece = traces.prices.reprice(scope, since_ns=since_ns, after=place)
        pieces, looked_at, changed = pieces + 1, looked_at + piece.num_spans, changed + piece.num_changed
        place = piece.next
    return pieces, looked_at, changed


def test_a_span_costs_by_the_list_and_its_trace_sums_the_leaves(traces: Traces) -> None:
    # An agent that repeats the usage of its two calls, with the model's name: priced, but not added.
    ingest(
        traces,
        call(1, model="gpt-4o", tokens=(2000, 200, 800), attributes={"gen_ai.operation.name": "invoke_agent"}),
        call(2, model="gpt-4o-2024-08-06", parent=1, tokens=(1000, 100, 400)),
        call(3, model="gpt-4o", parent=1, tokens=(1000, 100, 400)),
        make_span(4, parent=1),
    )
    tree = traces.get(SCOPE, trace_id_of(1).hex())
    assert {row.span_id[-1]: row.cost for row in tree.spans} == {
        "1": pytest.approx(0.006),
        "2": pytest.approx(0.003),
        "3": pytest.approx(0.003),
        "4": None,
    }
    assert tree.summary.cost == pytest.approx(0.006)
    assert tree.summary.currency == "USD"


def test_what_has_no_price_has_no_cost(traces: Traces) -> None:
    ingest(traces, call(), make_span(2, parent=1))
    summary = traces.get(SCOPE, trace_id_of(1).hex()).summary
    assert (summary.cost, summary.currency, summary.costs) == (None, None, {})


def test_what_the_emitter_says_wins(traces: Traces) -> None:
    ingest(traces, call(model="gpt-4o", attributes={"gen_ai.usage.cost": 0.5}))
    assert cost(traces) == {"USD": 0.5}


def test_a_tenants_price_holds_at_once_in_all_its_projects_and_in_no_other_tenant(traces: Traces) -> None:
    for scope in (SCOPE, LAB, RIVAL):
        ingest(traces, call(trace=1), scope=scope)
    put(traces)
    for scope in (SCOPE, LAB, RIVAL):
        ingest(traces, call(trace=2), scope=scope)
    assert cost(traces, 1) == {}
    assert cost(traces, 2) == cost(traces, 2, LAB) == {"USD": pytest.approx(0.012)}
    assert cost(traces, 2, RIVAL) == {}
    put(traces, rates=Rates(input=0.0, output=0.0))
    ingest(traces, call(trace=3))
    assert cost(traces, 3) == {"USD": 0.0}


def test_a_tenants_price_comes_before_the_list_and_the_list_holds_again(traces: Traces) -> None:
    put(traces, model="gpt-4o", currency="EUR", rates=Rates(input=1.0, output=1.0))
    ingest(traces, call(model="gpt-4o", trace=1))
    assert cost(traces, 1) == {"EUR": pytest.approx(0.0011)}
    assert traces.prices.remove(SCOPE, model="gpt-4o") == 1
    ingest(traces, call(model="gpt-4o", trace=2))
    assert cost(traces, 2) == {"USD": pytest.approx(0.0035)}


def test_currencies_are_kept_apart(traces: Traces) -> None:
    put(traces, model="yuan", currency="CNY")
    ingest(traces, call(1, model="yuan"), call(2, model="gpt-4o"))
    summary = traces.get(SCOPE, trace_id_of(1).hex()).summary
    assert (summary.cost, summary.currency) == (None, None)
    assert summary.costs == {"CNY": pytest.approx(0.012), "USD": pytest.approx(0.0035)}


def test_costs_of_a_large_trace_are_carried_forward_and_settle(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGE_TRACE", 3)
    put(traces)
    ingest(traces, *(call(number) for number in range(1, 6)))
    ingest(traces, call(6, parent=1), call(7, parent=1))
    assert cost(traces) == {"USD": pytest.approx(7 * 0.012)}
    traces.settle()
    assert cost(traces) == {"USD": pytest.approx(6 * 0.012)}  # the first repeats what is below it


def test_stored_spans_are_priced_again_in_pieces_and_twice_changes_nothing(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "MAX_SPANS", 4)
    for number in range(1, 8):
        ingest(traces, call(1, trace=number), call(2, trace=number, parent=1), make_span(3, trace=number))
    ingest(traces, call(), scope=RIVAL)
    ingest(traces, call(), scope=LAB)
    assert reprice(traces)[1:] == (14, 0)
    put(traces)
    pieces, looked_at, changed = reprice(traces)
    assert (looked_at, changed) == (14, 14)
    assert pieces > 2
    assert [cost(traces, number) for number in range(1, 8)] == [{"USD": pytest.approx(0.012)}] * 7
    assert reprice(traces)[1:] == (14, 0)
    assert cost(traces, scope=RIVAL) == cost(traces, scope=LAB) == {}
    put(traces, scope=RIVAL, rates=Rates(input=1.0, output=1.0))
    assert reprice(traces, LAB)[2] == 1
    assert reprice(traces, RIVAL)[2] == 1
    assert cost(traces, scope=LAB) == {"USD": pytest.approx(0.012)}
    assert cost(traces, scope=RIVAL) == {"USD": pytest.approx(0.0011)}


def test_pricing_again_spares_what_began_before_and_what_the_emitter_said(traces: Traces) -> None:
    old_ns = make_span().start_time_unix_nano - 40 * 86_400 * 10**9
    ingest(traces, call(trace=1, start_ns=old_ns), call(trace=2))
    ingest(traces, call(trace=3, attributes={"gen_ai.usage.cost": 0.5}))
    put(traces)
    assert reprice(traces, since_ns=old_ns + 10**9)[2] == 1
    assert [cost(traces, number) for number in (1, 2, 3)] == [{}, {"USD": pytest.approx(0.012)}, {"USD": 0.5}]


def test_spans_of_a_release_without_costs_are_priced_and_their_counts_brought_to_one_meaning(
    database: Database, traces: Traces
) -> None:
    ingest(
        traces, call(model="claude-opus-4-5", tokens=(100, 0, 900), attributes={"gen_ai.provider.name": "anthropic"})
    )
    with database.transaction(SCOPE) as tx:
        tx.execute(update(spans_table).values(cost=None, currency=None, input_tokens=100))
        tx.execute(update(traces_table).values(cost=None, currency=None, costs=None, input_tokens=100))
    assert reprice(traces)[2] == 1
    summary = traces.get(SCOPE, trace_id_of(1).hex()).summary
    assert summary.usage.input_tokens == 1000
    assert summary.costs == {"USD": pytest.approx(100 * 5e-6 + 900 * 0.5e-6)}


def test_prices_that_cannot_be_are_refused(traces: Traces) -> None:
    for wrong in (
        {"model": ""},
        {"model": "two words"},
        {"model": "a*b"},
        {"currency": "usd"},
        {"currency": "¥"},
        {"provider": "Not a name"},
        {"rates": Rates(output=1.0)},
        {"rates": Rates(input=-1.0)},
        {"rates": Rates(input=float("inf"))},
        {"valid_from_ns": -1},
    ):
        with pytest.raises(InvalidError):
            put(traces, **wrong)
    with pytest.raises(NotFoundError):
        traces.prices.remove(SCOPE, model="our-model")
    with pytest.raises(InvalidError):
        traces.prices.reprice(SCOPE, since_ns=0, after="' OR 1=1")
    assert traces.prices.list(SCOPE).own == []


@pytest.fixture
def api_url(traces: Traces) -> Iterator[str]:
    app = FastAPI()
    install_error_handlers(app)
    attach(app, [build_routes(traces)])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(KeyNamesCaller(app), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


def as_caller(api_url: str, key: str) -> Client:
    return Client(Credentials(url=api_url, project_id="default", key=key))


def test_an_admin_sets_prices_everybody_reads_them_and_no_other_tenant_sees_them(api_url: str, traces: Traces) -> None:
    body = {"model": "our-model", "currency": "CNY", "input": 1, "output": 2, "cache_read": 0.5}
    with as_caller(api_url, "acme/default/admin") as admin, as_caller(api_url, "acme/default/viewer") as viewer:
        made = admin.put("/api/v1/prices", body)
        assert (made["origin"], made["currency"], made["cache_write"]) == ("tenant", "CNY", None)
        items = viewer.get("/api/v1/prices")["items"]
        assert [one["model"] for one in items if one["origin"] == "tenant"] == ["our-model"]
        assert any(one["model"] == "gpt-4o" and one["origin"] == "list" for one in items)
        for refused in ("acme/default/viewer", "acme/default/developer"):
            with as_caller(api_url, refused) as other, pytest.raises(PermissionDeniedError):
                other.put("/api/v1/prices", body)
        with as_caller(api_url, "rival/default/admin") as rival:
            assert all(one["origin"] == "list" for one in rival.get("/api/v1/prices")["items"])
            with pytest.raises(NotFoundError):
                rival.delete("/api/v1/prices", model="our-model")
        ingest(traces, call())
        assert viewer.get("/api/v1/traces")["items"][0]["costs"] == {"CNY": pytest.approx(0.0012)}
        admin.delete("/api/v1/prices", model="our-model")
        piece = admin.post("/api/v1/prices:reprice", {"since_ns": 0})
        assert piece == {"num_spans": 1, "num_changed": 1, "next": None}
        assert viewer.get("/api/v1/traces")["items"][0]["costs"] == {}


def test_the_command_sets_lists_reprices_and_removes(
    api_url: str, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIPLATFORM_URL", api_url)
    monkeypatch.setenv("AIPLATFORM_API_KEY", "acme/default/admin")
    ingest(traces, call())

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    run("set", "our-model", "--currency", "USD", "--input", "10", "--output", "20", "--from", "2020-01-01", "--json")
    assert "our-model" in run("list", "--own", "--json")
    assert '"num_changed": 1' in run("reprice", "--since", "30d", "--json")
    assert cost(traces) == {"USD": pytest.approx(0.012)}
    assert '"removed": 1' in run("remove", "our-model", "--from", "2020-01-01", "--json")
    assert '"num_changed": 1' in run("reprice", "--since", "2020-01-01", "--json")
    assert cost(traces) == {}


def test_deleting_a_tenant_takes_its_prices_and_deleting_a_project_does_not(traces: Traces) -> None:
    put(traces)
    put(traces, scope=RIVAL)
    traces.delete_scope(SCOPE)
    assert len(traces.prices.list(SCOPE).own) == 1
    traces.delete_scope(Scope(tenant_id="acme"))
    assert traces.prices.list(SCOPE).own == []
    assert len(traces.prices.list(RIVAL).own) == 1
