"""Sessions: the REST routes and the pages, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span
from aiplatform.tracing.pricing import Rates
from aiplatform.tracing.routes import build_routes
from tests.component.ui.world import World

HTML = {"accept": "text/html"}
SCOPE = Scope(tenant_id="default", project_id="default")
START_NS = 1_790_000_000 * SECOND_NS
ODD = "chat/北京 1?&"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """One session of three turns told out of order, one with an id of its own kind, and a trace that has none."""
    made = make_world()
    made.platform.attach(build_routes(made.services.traces))

    def turn(number: int, second: int, session: str | None, user: str | None, **more: str | None) -> object:
        attributes = {
            "mlflow.spanType": "CHAIN",
            "mlflow.spanInputs": f"question {number} " + "long " * 100,
            "mlflow.spanOutputs": f"answer {number}",
            "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 2}',
        }
        attributes |= {"session.id": session} if session else {}
        attributes |= {"user.id": user} if user else {}
        start_ns = START_NS + second * SECOND_NS
        return make_span(1, trace=800 + number, name="ask", attributes=attributes, start_ns=start_ns, **more)  # type: ignore[arg-type]

    spans = [
        turn(3, 30, "s-1", "lin"),
        turn(1, 10, "s-1", "lin"),
        turn(2, 20, "s-1", "ada", error="no answer"),
        turn(4, 40, ODD, "ada"),
        turn(5, 50, None, "ada"),
    ]
    made.services.traces.ingest(SCOPE, export_request(spans).SerializeToString())  # type: ignore[arg-type]
    foreign = export_request([turn(1, 60, "s-1", "mallory")]).SerializeToString()  # type: ignore[list-item]
    made.services.traces.ingest(Scope(tenant_id="zed", project_id="default"), foreign)
    return made


@pytest.fixture
def http(world: World) -> httpx.Client:
    return world.platform.client(Role.VIEWER)


def test_the_list_sums_up_sessions_the_one_seen_last_first(http: httpx.Client) -> None:
    found = http.get("/api/v1/sessions").json()
    assert [item["session_id"] for item in found["items"]] == [ODD, "s-1"]
    one = found["items"][1]
    assert (one["num_traces"], one["num_users"], one["user_id"], one["num_errors"]) == (3, 2, "ada", 1)
    assert (one["first_ns"], one["last_ns"]) == (START_NS + 10 * SECOND_NS, START_NS + 30 * SECOND_NS)
    assert (one["total_tokens"], one["cost"], found["next"]) == (36, None, None)


def test_costs_in_several_currencies_stand_apart(world: World, http: httpx.Client) -> None:
    service = world.services.traces
    for model, currency in (("dollars", "USD"), ("yuan", "CNY")):
        service.prices.put(
            SCOPE, model=model, currency=currency, rates=Rates(input=1000.0, output=0.0), principal="user:lin"
        )

    def called(model: str, trace: int, span: int, session: str = "s-paid") -> Span:
        attributes = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 1, "session.id": session,
        }  # fmt: skip
        return make_span(span, trace=trace, attributes=attributes, start_ns=START_NS)

    spans = [
        called("dollars", 821, 1),
        called("yuan", 822, 1), called("yuan", 822, 2),
        # Two traces of mixed currencies that cost exactly the same.
        called("dollars", 823, 1), called("yuan", 823, 2),
        called("dollars", 824, 1), called("yuan", 824, 2),
        called("dollars", 825, 1, "s-other"),
    ]  # fmt: skip
    service.ingest(SCOPE, export_request(spans).SerializeToString())
    found = {item["session_id"]: item for item in http.get("/api/v1/sessions").json()["items"]}
    mixed, single = found["s-paid"], found["s-other"]
    assert (mixed["cost"], mixed["currency"], mixed["costs"]) == (None, None, {"CNY": 4.0, "USD": 3.0})
    assert (single["cost"], single["currency"], single["costs"]) == (1.0, "USD", {"USD": 1.0})
    assert found["s-1"]["costs"] == {}
    whole = http.get("/api/v1/sessions/s-paid").json()
    assert whole["costs"] == mixed["costs"]
    assert [turn["costs"] for turn in whole["turns"]][1:3] == [{"CNY": 2.0}, {"CNY": 1.0, "USD": 1.0}]
    for page in ("sessions/s-paid", f"sessions?from={START_NS // 10**6}&to={START_NS // 10**6 + 1}"):
        assert "¥4.00 + $3.00" in http.get(f"/default/default/{page}", headers=HTML).text


def test_the_list_is_narrowed_and_walked_page_by_page(http: httpx.Client) -> None:
    def ids(**params: object) -> list[str]:
        return [item["session_id"] for item in http.get("/api/v1/sessions", params=params).json()["items"]]  # type: ignore[arg-type]

    assert ids(q="S-") == ["s-1"]
    assert ids(q="%") == []
    assert ids(user_id="lin") == ["s-1"]
    assert ids(user_id="mallory") == []
    assert ids(to_ns=START_NS + 35 * SECOND_NS) == ["s-1"]
    first = http.get("/api/v1/sessions", params={"limit": 1}).json()
    second = http.get("/api/v1/sessions", params={"limit": 1, "page": first["next"]}).json()
    assert [item["session_id"] for page in (first, second) for item in page["items"]] == [ODD, "s-1"]
    assert second["next"] is None
    assert http.get("/api/v1/sessions", params={"page": "x"}).status_code == 400


def test_a_session_is_a_conversation_in_the_order_in_which_it_was_led(http: httpx.Client) -> None:
    found = http.get("/api/v1/sessions/s-1").json()
    assert [turn["answer"].split("\n")[0] for turn in found["turns"]] == ["answer 1", "answer 2", "answer 3"]
    assert found["turns"][0]["question"].count("long") == 100, "the whole text, not the list's preview"
    assert "no answer" in found["turns"][1]["answer"] or found["turns"][1]["num_errors"] == 1
    part = http.get("/api/v1/sessions/s-1", params={"limit": 2}).json()
    assert (len(part["turns"]), part["next"]) == (2, 2)
    rest = http.get("/api/v1/sessions/s-1", params={"offset": part["next"]}).json()
    assert ([turn["answer"] for turn in rest["turns"]], rest["next"]) == (["answer 3"], None)


def test_any_id_of_a_session_can_be_asked_for(http: httpx.Client) -> None:
    path = quote(ODD, safe="")
    assert http.get(f"/api/v1/sessions/{path}").json()["num_traces"] == 1
    page = http.get(f"/default/default/sessions/{path}", headers=HTML)
    assert page.status_code == 200
    assert "answer 4" in page.text
    assert path.lower() in http.get("/default/default/sessions?last=30d&from=0&to=0", headers=HTML).text.lower() or (
        http.get("/default/default/sessions", headers=HTML).status_code == 200
    )


def test_the_page_reads_as_a_conversation(http: httpx.Client) -> None:
    text = http.get("/default/default/sessions/s-1", headers=HTML).text
    places = [text.index(f">answer {number}<") for number in (1, 3)]
    assert places == sorted(places)
    assert text.count("data-row ") == 3
    assert http.get("/default/default/sessions/s-2", headers=HTML).status_code == 404


def test_another_tenants_session_of_the_same_id_is_another_one(world: World) -> None:
    client = world.platform.client(Role.ADMIN, tenant="zed")
    found = client.get("/api/v1/sessions").json()["items"]
    assert [(item["session_id"], item["num_traces"], item["user_id"]) for item in found] == [("s-1", 1, "mallory")]
    assert len(client.get("/api/v1/sessions/s-1").json()["turns"]) == 1
    assert client.get(f"/api/v1/sessions/{quote(ODD, safe='')}").status_code == 404
