"""Rows of a trace by index, and its outline, on both databases."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import httpx
import pytest

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.testing.traces import large_trace
from aiplatform.tracing.outlines import Outlines
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")
PAGE = f"/default/default/traces/{trace_id_of(1).hex()}"
ROW = re.compile(r'data-span="([0-9a-f]{16})" data-i="(\d+)"')
NUM_SPANS = 641


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    made = make_world()
    spans = large_trace(NUM_SPANS, trace=1, start_ns=time.time_ns() - 10**12, failing=(5, 333))
    made.services.traces.ingest(SCOPE, export_request(spans).SerializeToString())
    return made


@pytest.fixture
def http(world: World) -> httpx.Client:
    client = world.platform.client(Role.VIEWER)
    client.headers.update({"accept": "text/html"})
    return client


def rows(answer: httpx.Response) -> list[tuple[str, int]]:
    assert answer.status_code == 200, answer.text
    return [(span_id, int(index)) for span_id, index in ROW.findall(answer.text)]


def expected(*indices: int) -> list[tuple[str, int]]:
    return [(span_id_of(index + 1).hex(), index) for index in indices]


def test_a_page_holds_the_window_of_its_span_and_no_more(http: httpx.Client) -> None:
    assert rows(http.get(PAGE, params={"span": span_id_of(451).hex()})) == expected(*range(400, 600))
    assert rows(http.get(PAGE)) == expected(*range(200)), "the first of the deepest errors is chosen"
    assert rows(http.get(PAGE, params={"offset": "600"})) == expected(*range(600, NUM_SPANS))
    alone = http.get(PAGE, params={"span": "0" * 16})
    assert rows(alone) == expected(*range(200))
    assert "There is no span" in alone.text


def test_rows_are_had_by_index(http: httpx.Client) -> None:
    found = http.get(f"{PAGE}/rows", params={"at": "3,638-900,5-6"})
    assert rows(found) == expected(3, 638, 639, 640, 5, 6)
    assert 'aria-level="3" aria-posinset="2" aria-setsize="9"' in found.text
    assert len(rows(http.get(f"{PAGE}/rows", params={"at": "0-639"}))) == 400
    assert rows(http.get(f"{PAGE}/rows", params={"at": "9000"})) == []
    for wrong in ("x", "1-x", "-1", "1,,2", "²"):
        assert http.get(f"{PAGE}/rows", params={"at": wrong}).status_code == 400, wrong


def test_the_outline_says_how_rows_lie_and_finds_them(http: httpx.Client) -> None:
    found = http.get(f"{PAGE}/outline").json()
    assert found["total"] == NUM_SPANS
    assert found["errors"] == [5, 333]
    assert found["below"][:3] == [NUM_SPANS - 1, 9, 0]
    asked = {"find": "STEP 33", "places": f"{span_id_of(7).hex()},{'0' * 16}"}
    assert http.get(f"{PAGE}/outline", params=asked).json() == {
        "total": NUM_SPANS, "found": [33, *range(330, 331), *range(332, 340)], "places": {span_id_of(7).hex(): 6},
    }  # fmt: skip
    assert http.get(f"{PAGE}/outline", params={"find": "it broke"}).json()["found"] == [5, 333]
    assert http.get(f"{PAGE}/outline", params={"find": "%"}).json()["found"] == []


def test_what_arrives_later_is_in_the_outline(world: World, http: httpx.Client) -> None:
    http.get(f"{PAGE}/outline")
    late = make_span(9_000, trace=1, parent=2, name="late")
    world.services.traces.ingest(SCOPE, export_request([late]).SerializeToString())
    found = http.get(f"{PAGE}/outline", params={"find": "late"}).json()
    assert (found["total"], found["found"]) == (NUM_SPANS + 1, [11])
    assert rows(http.get(f"{PAGE}/rows", params={"at": "11"})) == [(span_id_of(9_000).hex(), 11)]


def test_what_is_kept_of_one_tenant_is_shown_to_no_other(world: World, http: httpx.Client) -> None:
    assert http.get(f"{PAGE}/outline").status_code == 200
    stranger = world.platform.client(Role.ADMIN, tenant="gamma")
    other = world.platform.client(Role.ADMIN, project="second")
    for part in ("", "/rows?at=0", "/outline", "/outline?find=step", "/live"):
        assert stranger.get(f"{PAGE}{part}").status_code == 404
        assert stranger.get(f"{PAGE}{part}".replace("/default/", "/gamma/", 1)).status_code == 404
        assert other.get(f"{PAGE}{part}".replace("/default/default", "/default/second", 1)).status_code == 404


def test_outlines_are_kept_up_to_a_number_of_rows_and_forgotten_with_their_trace(
    world: World, database: Database
) -> None:
    for trace in (2, 3):
        spans = large_trace(60, trace=trace, start_ns=time.time_ns())
        world.services.traces.ingest(SCOPE, export_request(spans).SerializeToString())
    outlines = Outlines(database, world.services.traces.cold, max_kept_spans=100)
    first = outlines.get(SCOPE, trace_id_of(2).hex())
    assert first is not None
    assert outlines.get(SCOPE, trace_id_of(2).hex()) is first
    outlines.get(SCOPE, trace_id_of(3).hex())
    again = outlines.get(SCOPE, trace_id_of(2).hex())
    assert again is not first, "the other one took its room"
    assert again == first
    world.services.traces.delete_scope(SCOPE)
    assert outlines.get(SCOPE, trace_id_of(2).hex()) is None
