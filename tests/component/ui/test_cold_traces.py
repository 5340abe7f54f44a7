"""Traces whose spans lie in files: marked on their pages, and a search that comes so far at a time says how far."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import httpx
import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing.cold import moving, searching
from aiplatform.tracing.model import DAY_NS
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")
LIST = "/default/default/traces"
NUM_TRACES = 12


@pytest.fixture
def http(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """Pages over traces of ten days ago, each in a row group of its own, of which a page reads two."""
    monkeypatch.setattr(moving, "GROUP_SPANS", 1)
    monkeypatch.setattr(moving, "QUIET_NS", -DAY_NS)  # what was written this moment may move at once
    monkeypatch.setattr(searching, "MAX_OPENED_SPANS", 2)
    world = make_world()
    traces = world.services.traces
    begun_ns = traces.clock.now_ns() - 10 * DAY_NS
    for trace in range(1, NUM_TRACES + 1):
        said = {"input.value": "needle" if trace == 1 else "needles"}
        start_ns = begun_ns + trace * SECOND_NS
        span = make_span(1, trace=trace, name=f"t{trace}", attributes=said, start_ns=start_ns)
        traces.ingest(SCOPE, export_request([span]).SerializeToString())
    traces.update_index()
    while traces.cold._moving.freeze(SCOPE, traces.clock.now_ns() // DAY_NS):
        pass
    traces.update_index()
    client = world.platform.client(Role.VIEWER)
    client.headers["accept"] = "text/html"
    return client


def test_cold_traces_are_marked_and_open(http: httpx.Client) -> None:
    listed = http.get(f"{LIST}?last=30d").text
    assert listed.count(">cold</span>") == NUM_TRACES
    page = http.get(f"{LIST}/{trace_id_of(1).hex()}").text
    assert ">cold</span>" in page
    assert ">冷</span>" in http.get(f"{LIST}/{trace_id_of(1).hex()}", headers={"accept-language": "zh-CN"}).text
    span = http.get(f"{LIST}/{trace_id_of(1).hex()}?span={span_id_of(1).hex()}").text
    assert "needle" in span


def test_a_search_that_ends_early_says_so_and_goes_on(http: httpx.Client) -> None:
    address: str | None = f"{LIST}?last=30d&q=has:attributes.input.value+NOT+needles"
    names: list[str] = []
    num_pages = 0
    while address is not None:
        page = http.get(address).text
        num_pages += 1
        names += re.findall(r'title="(t\d+)">', page)
        onward = re.search(r'<a[^>]*href="([^"]*after=[^"]*)"[^>]*>(?:Go on searching|[^<]*[Nn]ext|<svg)', page)
        address = html.unescape(onward[1]) if onward else None
        assert num_pages < 20
        if address is not None:
            assert "Spans in files were searched up to" in page or "spans in files are looked through" in page
    assert names == ["t1"]
    assert num_pages >= NUM_TRACES // 2
