"""Following the list, and a trace that runs: what is asked again and again, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")
HTML = {"accept": "text/html"}
LIST = "/default/default/traces/live"
TRACE = f"/default/default/traces/{trace_id_of(1).hex()}"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def http(world: World) -> httpx.Client:
    client = world.platform.client(Role.VIEWER)
    client.headers.update(HTML)
    return client


def send(world: World, *spans: object) -> None:
    world.services.traces.ingest(SCOPE, export_request(spans).SerializeToString())  # type: ignore[arg-type]


def again(http: httpx.Client, path: str, before: httpx.Response) -> httpx.Response:
    return http.get(path, headers={"if-none-match": before.headers["etag"]})


def test_the_rows_of_the_list_come_again_only_when_they_changed(world: World, http: httpx.Client) -> None:
    send(world, make_span(1, trace=1, name="first"))
    first = http.get(LIST)
    assert first.text.count("<tr data-row") == 1
    unchanged = again(http, LIST, first)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    send(world, make_span(1, trace=2, name="second", start_ns=time.time_ns()))
    second = again(http, LIST, first)
    assert second.status_code == 200
    assert second.text.index("second") < second.text.index("first")
    world.services.traces.add_score(
        SCOPE, trace_id=trace_id_of(1).hex(), name="taste", value=1.0, source=ScoreSource.HUMAN, principal="p"
    )
    assert "taste" in again(http, LIST, second).text


def test_the_rows_follow_the_query(world: World, http: httpx.Client) -> None:
    send(world, make_span(1, trace=1, name="first"), make_span(1, trace=2, name="second", error="no"))
    found = http.get(LIST, params={"q": "status:error"})
    assert found.text.count("<tr data-row") == 1
    send(world, make_span(1, trace=3, name="third"))
    assert (
        http.get(LIST, params={"q": "status:error"}, headers={"if-none-match": found.headers["etag"]}).status_code
        == 304
    )


@pytest.mark.parametrize(
    ("query", "is_offered"), [("", True), ("?last=24h", True), ("?sort=slowest", False), ("?from=1&to=2", False)]
)
def test_following_is_offered_where_the_list_begins_with_now(
    world: World, http: httpx.Client, query: str, is_offered: bool
) -> None:
    send(world, make_span(1, trace=1))
    assert ("data-live-list" in http.get(f"/default/default/traces{query}").text) is is_offered


def test_a_trace_is_followed_until_its_root_has_ended(world: World, http: httpx.Client) -> None:
    now_ns = time.time_ns()
    send(world, make_span(1, trace=1, name="ask", start_ns=now_ns - 5 * SECOND_NS, duration_ns=None))
    page = http.get(TRACE).text
    assert "data-live-trace" in page
    assert page.count("data-since") == 2, "the trace and its span count on"
    first = http.get(f"{TRACE}/live")
    assert first.headers["x-running"] == "1"
    assert again(http, f"{TRACE}/live", first).status_code == 304
    send(world, make_span(2, trace=1, parent=1, name="call", start_ns=now_ns - 4 * SECOND_NS))
    second = again(http, f"{TRACE}/live", first)
    assert (second.status_code, second.headers["x-running"]) == (200, "1")
    assert 'data-total="2"' in second.text
    assert http.get(f"{TRACE}/rows", params={"at": "0-199"}).text.count('role="treeitem"') == 2
    send(world, make_span(1, trace=1, name="ask", start_ns=now_ns - 5 * SECOND_NS, duration_ns=5 * SECOND_NS))
    last = again(http, f"{TRACE}/live", second)
    assert (last.status_code, last.headers["x-running"]) == (200, "0")
    assert "data-since" not in last.text
    assert "data-live-trace" not in http.get(TRACE).text


def test_nobody_follows_a_trace_of_another_tenant(world: World, http: httpx.Client) -> None:
    send(world, make_span(1, trace=1, duration_ns=None))
    stranger = world.platform.client(Role.ADMIN, tenant="zed")
    stranger.headers.update(HTML)
    assert stranger.get(f"{TRACE}/live").status_code == 404
    assert stranger.get(f"{TRACE.replace('/default/', '/zed/', 1)}/live").status_code == 404
    assert stranger.get(LIST).status_code == 404
    assert "<tr" not in stranger.get(LIST.replace("/default/", "/zed/", 1)).text
