"""The left column of the list of traces: what is there to choose, how much of it, and where a click leads."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from aiplatform.tenancy.permissions import Role
from aiplatform.tracing.facets import MAX_LOOKED_AT
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.query import read_filter
from tests.component.ui.conftest import PROJECT, Seeded

FACET = re.compile(
    r'<a class="facet" href="([^"]*)" title="([^"]*)"( aria-current="true")?>.*?<span class="count">([^<]*)</span></a>'
)


@pytest.fixture
def browser(seeded: Seeded) -> httpx.Client:
    client = seeded.world.platform.client(Role.VIEWER, project=PROJECT)
    client.headers["accept"] = "text/html"
    return client


def facets(text: str) -> dict[str, tuple[str, bool, str]]:
    return {
        html.unescape(title): (html.unescape(href), bool(current), count)
        for href, title, current, count in FACET.findall(text)
    }


def num_found(seeded: Seeded, line: str) -> int:
    line = f"({line}) since:30d" if line else "since:30d"  # another test may have sent an older one
    return len(seeded.world.services.traces.list(seeded.caller.scope, read_filter(line), limit=500).items)


def test_a_choice_leads_to_as_many_traces_as_it_says(browser: httpx.Client, seeded: Seeded) -> None:
    shown = facets(browser.get(f"{seeded.base}/traces?last=30d").text)
    for condition in ("errors > 0", "status:ok", "kind:llm", "score.citation:true"):
        href, is_chosen, count = shown[condition]
        assert not is_chosen
        assert int(count) == num_found(seeded, condition) > 0
        page = browser.get(href).text
        assert facets(page)[condition][1:] == (True, count)
        assert f"<dt>Found</dt><dd>{count}</dd>" in page


def test_a_second_choice_of_a_facet_means_or_and_both_can_be_taken_back(browser: httpx.Client, seeded: Seeded) -> None:
    page = browser.get(f"{seeded.base}/traces?q=status:error&last=30d&after=x").text
    href, _, _ = facets(page)["status:ok"]
    assert "after" not in httpx.URL(href).params
    assert httpx.URL(href).params["q"] == "status:(error, ok)"
    both = browser.get(href).text
    shown = facets(both)
    assert shown["status:error"][1]
    assert shown["status:ok"][1]
    assert httpx.URL(shown["status:error"][0]).params["q"] == "status:ok"
    assert 'value="status:(error, ok)"' in both


def test_a_condition_of_ones_own_is_shown_and_can_be_taken_back(browser: httpx.Client, seeded: Seeded) -> None:
    shown = facets(browser.get(f"{seeded.base}/traces?q=refund+duration>2500ms").text)
    href, is_chosen, count = shown["duration > 2500ms"]
    assert is_chosen
    assert count == "—"
    assert httpx.URL(href).params["q"] == "refund"


def test_figures_are_of_all_that_was_found_not_of_a_page(browser: httpx.Client, seeded: Seeded) -> None:
    total = len(seeded.world.services.traces.list(seeded.caller.scope, TraceFilter(), limit=500).items)
    assert total > 50
    page = browser.get(f"{seeded.base}/traces?last=30d").text
    assert "Duration p50 / p95" in page
    assert f"newest {MAX_LOOKED_AT:,}" not in page
    chinese = browser.get(f"{seeded.base}/traces?last=30d", headers={"accept-language": "zh-CN"}).text
    assert facets(chinese).keys() == facets(page).keys()


def test_what_was_not_counted_is_said(browser: httpx.Client, seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    facets_service = seeded.world.services.traces.facets
    counted = facets_service.of
    monkeypatch.setattr(facets_service, "of", lambda *args, **more: counted(*args, **more, max_traces=20))
    page = browser.get(f"{seeded.base}/traces?last=30d").text
    assert "Durations, cost and tokens are of the newest 20 traces found." in page
    assert "newest 20" in page
    assert f"<dt>Found</dt><dd>{num_found(seeded, '')}</dd>" in page
    page = browser.get(f"{seeded.base}/traces?q=default&last=30d").text
    assert f"<dt>Found</dt><dd>{num_found(seeded, 'default')}</dd>" in page
