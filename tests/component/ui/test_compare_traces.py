"""Two traces side by side: the REST route and the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.routes import build_routes
from tests.component.ui.world import World

HTML = {"accept": "text/html"}
BOTH = {"a": trace_id_of(701).hex(), "b": trace_id_of(702).hex()}


Twins = tuple[World, httpx.Client]


@pytest.fixture
def twins(make_world: Callable[..., World]) -> Twins:
    """The same question twice: the second time about another town, a search is tried again, and one of them failed."""
    world = make_world()
    world.platform.attach(build_routes(world.services.traces))
    client = world.platform.client(Role.VIEWER, project="twins")
    client.headers["x-aiplatform-project"] = "twins"

    def said(text: str, answer: str) -> dict[str, str]:
        return {"mlflow.spanType": "CHAIN", "mlflow.spanInputs": text, "mlflow.spanOutputs": answer}

    spans = [
        make_span(1, trace=701, name="ask", attributes=said("about Paris", "It is Paris.")),
        make_span(2, trace=701, parent=1, name="search"),
        make_span(1, trace=702, name="ask", attributes=said("about Rome", "It is Rome.")),
        make_span(2, trace=702, parent=1, name="search", error="no answer"),
        make_span(3, trace=702, parent=1, name="search"),
    ]
    scope = Scope(tenant_id="default", project_id="twins")
    world.services.traces.ingest(scope, export_request(spans).SerializeToString())
    return world, client


@pytest.fixture
def http(twins: Twins) -> httpx.Client:
    return twins[1]


def test_the_api_tells_pairs_differences_and_changed_texts(http: httpx.Client) -> None:
    found = http.get("/api/v1/traces/compare", params={**BOTH, "pair": 0}).json()
    assert [(pair["name"], pair["depth"], pair["differences"]) for pair in found["pairs"]] == [
        ("ask", 0, []), ("search", 1, ["status"]), ("search", 1, ["missing"]),
    ]  # fmt: skip
    assert found["num_different"] == 2
    assert found["content"]["output"] == [
        {"change": "same", "text": "It is "}, {"change": "gone", "text": "Paris"}, {"change": "new", "text": "Rome"},
        {"change": "same", "text": "."},
    ]  # fmt: skip


def test_the_page_marks_what_differs_and_shows_the_texts_of_a_pair(http: httpx.Client) -> None:
    page = http.get("/default/twins/traces/compare", params={**BOTH, "pair": 0}, headers=HTML)
    assert page.status_code == 200
    assert "<del>Paris</del><ins>Rome</ins>" in page.text
    assert page.text.count("only in one") == 1
    only = http.get("/default/twins/traces/compare", params={**BOTH, "only": "different"}, headers=HTML).text
    assert only.count("<tr data-row") == 2
    part = http.get(
        "/default/twins/traces/compare",
        params={**BOTH, "pair": 2},
        headers={**HTML, "hx-request": "true", "hx-target": "pair"},
    ).text
    assert "not there" in part
    assert "<html" not in part


def test_ticks_of_the_list_lead_to_the_earlier_trace_beside_the_later(http: httpx.Client) -> None:
    path = "/default/twins/traces/compare"
    answer = http.get(path, params={"pick": [BOTH["b"], BOTH["a"]]}, headers=HTML, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?a={BOTH['a']}&b={BOTH['b']}")
    for picked in ([], [BOTH["a"]], [BOTH["a"], BOTH["b"], BOTH["a"]]):
        refused = http.get(path, params={"pick": picked}, headers=HTML)
        assert refused.status_code == 400
        assert f"{len(picked)} were chosen" in refused.text


def test_a_trace_offers_those_of_its_name(http: httpx.Client) -> None:
    page = http.get("/default/twins/traces/compare", params={"b": BOTH["b"]}, headers=HTML).text
    assert re.search(rf"a={BOTH['a']}&amp;b={BOTH['b']}|b={BOTH['b']}&amp;a={BOTH['a']}", page)


def test_a_trace_of_another_project_is_not_there(twins: Twins) -> None:
    client = twins[0].platform.client(Role.ADMIN)
    own = make_span(1, trace=703)
    scope = Scope(tenant_id="default", project_id="default")
    twins[0].services.traces.ingest(scope, export_request([own]).SerializeToString())
    mine = trace_id_of(703).hex()
    for params in (BOTH, {**BOTH, "a": mine}, {"a": mine, "b": BOTH["b"]}):
        assert client.get("/api/v1/traces/compare", params=params).status_code == 404
        assert client.get("/default/default/traces/compare", params=params, headers=HTML).status_code == 404
    assert client.get("/api/v1/traces/compare", params={"a": mine, "b": mine}).status_code == 200
