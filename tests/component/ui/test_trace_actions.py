"""Saved searches, adding to data sets and erasing from the list of traces, on both databases."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import httpx
import pytest

from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.searches import SearchForm
from tests.component.ui.world import World

BASE = "/default/default"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def browser(world: World, role: Role = Role.ADMIN) -> httpx.Client:
    client = world.platform.client(role)
    client.headers["accept"] = "text/html"
    return client


def send(world: World, *numbers: int, caller: Caller | None = None) -> list[str]:
    caller = caller or world.platform.caller(Role.ADMIN)
    now_ns = world.services.traces.clock.now_ns()
    for number in numbers:
        span = make_span(
            1,
            trace=number,
            name=f"trace {number}",
            start_ns=now_ns - number * SECOND_NS,
            attributes={"input.value": f"why {number}?", "output.value": "because"},
        )
        world.services.traces.ingest(caller.scope, export_request([span]).SerializeToString())
    return [trace_id_of(number).hex() for number in numbers]


def test_what_is_shown_is_saved_and_opened_by_everybody_of_the_project(world: World) -> None:
    send(world, 1)
    http = browser(world, Role.DEVELOPER)
    form = {"name": "slow ones", "q": "duration > 2s", "last": "24h", "sort": "slowest"}
    answer = http.post(f"{BASE}/traces/searches", data=form)
    assert answer.status_code == 303
    opened = answer.headers["location"]
    assert httpx.URL(opened).params == httpx.QueryParams(q="duration > 2s", last="24h", sort="slowest")
    viewer = browser(world, Role.VIEWER)
    page = viewer.get(f"{BASE}/traces").text
    assert html.escape(opened) in page
    assert "Save what is shown as" not in page
    assert 'value="duration &gt; 2s"' in viewer.get(opened).text
    assert viewer.post(f"{BASE}/traces/searches", data=form).status_code == 403
    taken = http.post(f"{BASE}/traces/searches", data=form)
    assert taken.status_code == 409
    assert "slow ones" in taken.text


def test_a_chosen_time_is_kept_to_the_millisecond(world: World) -> None:
    send(world, 1)
    answer = browser(world).post(f"{BASE}/traces/searches", data={"name": "then", "from": "1000", "to": "2001"})
    assert httpx.URL(answer.headers["location"]).params == httpx.QueryParams({"from": "1000", "to": "2001"})


def test_a_search_is_renamed_and_deleted_where_they_are_listed(world: World) -> None:
    http = browser(world)
    made = world.services.traces.searches.create(world.platform.caller(Role.ADMIN), SearchForm(name="old"))
    path = f"{BASE}/traces/searches"
    assert http.post(f"{path}/{made.search_id}/rename", data={"name": "new"}).headers["location"] == path
    assert "<b>new</b>" in http.get(path).text
    assert browser(world, Role.VIEWER).post(f"{path}/{made.search_id}/delete").status_code == 403
    assert http.post(f"{path}/{made.search_id}/rename", data={"name": " "}).status_code == 400
    assert http.post(f"{path}/{made.search_id}/delete").status_code == 303
    assert "No saved searches" in http.get(path).text


def test_ticked_traces_are_shown_and_added_to_a_data_set(world: World) -> None:
    one, two, _ = send(world, 1, 2, 3)
    http = browser(world, Role.DEVELOPER)
    asked = http.get(f"{BASE}/traces/to-dataset", params={"pick": [one, two]})
    assert asked.status_code == 200
    assert "2 ticked traces become rows" in asked.text
    assert "why 2?" in asked.text
    assert re.findall(r'name="pick" value="(\w+)"', asked.text) == [one, two]
    made = http.post(f"{BASE}/traces/to-dataset", data={"pick": [one, two], "name": "hard", "expected": "output"})
    assert made.status_code == 201
    assert "2 traces were added" in made.text
    assert f'href="{BASE}/datasets/hard?version=1"' in made.text
    again = http.post(f"{BASE}/traces/to-dataset", data={"pick": [one], "name": "hard"})
    assert "1 trace was in it already and was not added again." in again.text
    rows = world.services.datasets.rows(world.platform.caller(Role.VIEWER), "hard").rows
    assert [(row["input"], row["expected"]) for row in rows] == [("why 1?", "because"), ("why 2?", "because")]


def test_all_that_the_list_finds_is_added_and_nothing_more(world: World) -> None:
    trace_ids = send(world, 1, 2, 3)
    http = browser(world)
    page = http.get(f"{BASE}/traces?q=name:trace&last=1h").text
    (href,) = re.findall(r'href="([^"]*/traces/to-dataset[^"]*)"', page)
    asked = http.get(html.unescape(href))
    assert "The 3 traces that the list finds become rows." in asked.text
    made = http.post(f"{BASE}/traces/to-dataset", data={"q": '"trace 2"', "last": "1h", "name": "all"})
    assert "1 trace was added" in made.text
    rows = world.services.datasets.rows(world.platform.caller(Role.VIEWER), "all").rows
    assert [row["trace_id"] for row in rows] == [trace_ids[1]]


def test_what_cannot_be_added_is_said_and_the_form_stays(world: World) -> None:
    (one,) = send(world, 1)
    http = browser(world)
    refused = http.post(f"{BASE}/traces/to-dataset", data={"pick": [one], "name": "no name", "description": "mine"})
    assert refused.status_code == 400
    assert "cannot name a" in refused.text
    assert 'value="mine"' in refused.text
    assert http.get(f"{BASE}/traces/to-dataset", params={"pick": "nonsense"}).status_code == 400
    assert browser(world, Role.VIEWER).get(f"{BASE}/traces/to-dataset").status_code == 403
    assert "Add to data set" not in browser(world, Role.VIEWER).get(f"{BASE}/traces").text


def test_ticked_traces_are_erased_by_admins_who_type_the_word(world: World) -> None:
    one, two, three = send(world, 1, 2, 3)
    http = browser(world)
    asked = http.get(f"{BASE}/traces/erase", params={"pick": [one, two, trace_id_of(99).hex()]})
    assert "2 traces go for good" in asked.text
    assert re.findall(r'name="pick" value="(\w+)"', asked.text) == [one, two]
    traces, caller = world.services.traces, world.platform.caller(Role.ADMIN)
    for word, picks in (("", [one]), ("other", [one, two]), ("default", [])):
        refused = http.post(f"{BASE}/traces/erase", data={"pick": picks, "word": word})
        assert refused.status_code == 400
    assert len(traces.list(caller.scope).items) == 3
    developer = browser(world, Role.DEVELOPER)
    assert developer.post(f"{BASE}/traces/erase", data={"pick": [one], "word": "default"}).status_code == 403
    assert "Erase …" not in developer.get(f"{BASE}/traces").text
    done = http.post(f"{BASE}/traces/erase", data={"pick": [one, two], "word": "default"})
    assert done.status_code == 303
    assert [item.trace_id for item in traces.list(caller.scope).items] == [three]


def test_nothing_of_another_tenant_is_added_erased_or_opened(world: World) -> None:
    rival = world.platform.caller(Role.ADMIN, tenant="rival")
    (theirs,) = send(world, 7, caller=rival)
    made = world.services.traces.searches.create(rival, SearchForm(name="their plan"))
    http = browser(world)
    for pick in (theirs, trace_id_of(77).hex()):
        answer = http.get(f"{BASE}/traces/to-dataset", params={"pick": pick})
        assert answer.status_code == 404
        assert http.post(f"{BASE}/traces/to-dataset", data={"pick": [pick], "name": "x"}).status_code == 404
        assert (
            "None of these traces is in this project." in http.get(f"{BASE}/traces/erase", params={"pick": pick}).text
        )
        http.post(f"{BASE}/traces/erase", data={"pick": [pick], "word": "default"})
    assert len(world.services.traces.list(rival.scope).items) == 1
    assert "their plan" not in http.get(f"{BASE}/traces").text
    assert http.post(f"{BASE}/traces/searches/{made.search_id}/delete").status_code == 404
    assert http.get("/rival/default/traces/searches").status_code == 404
    assert world.services.traces.searches.list(rival) == [made]
