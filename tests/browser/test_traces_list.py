"""The list of traces as a person works with it: facets, saved searches, ticked rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from tests.browser.conftest import Eyes
from tests.component.ui.conftest import Seeded

pytestmark = pytest.mark.browser

Look = Callable[..., Eyes]


def test_a_click_on_a_facet_edits_the_query_line_and_another_means_or(look: Look) -> None:
    eyes = look()
    page = eyes.go("/traces?last=30d")
    kinds = page.get_by_role("group", name="Holds a span of kind")
    tool = kinds.locator("a.facet", has_text="Tool")
    count = tool.locator(".count").inner_text()
    tool.click()
    expect(page.get_by_label("Query")).to_have_value("kind:tool")
    expect(page.locator("dl div", has_text="Found").locator("dd").first).to_have_text(count)
    kinds.locator("a.facet", has_text="Agent").click()
    expect(page.get_by_label("Query")).to_have_value("kind:(tool, agent)")
    expect(kinds.locator("a.facet[aria-current=true]")).to_have_count(2)
    page.go_back()
    expect(page.get_by_label("Query")).to_have_value("kind:tool")
    kinds.locator("a.facet[aria-current=true]").click()
    expect(page.get_by_label("Query")).to_have_value("")
    assert eyes.seen() == []


def test_a_search_is_saved_opened_renamed_and_deleted_by_hand(look: Look) -> None:
    eyes = look()
    page = eyes.go("/traces?q=status%3Aok&last=24h&sort=slowest")
    menu = page.locator("summary", has_text="Saved searches")
    menu.click()
    page.get_by_label("Save what is shown as").fill("the slow ones")
    page.get_by_role("button", name="Save search").click()
    expect(page).to_have_url(re.compile(r"q=status%3Aok&last=24h&sort=slowest$"))
    eyes.go("/traces")
    menu.click()
    page.get_by_role("link", name="the slow ones").click()
    expect(page.get_by_label("Query")).to_have_value("status:ok")
    menu.click()
    page.get_by_role("link", name="Rename, delete").click()
    row = page.locator("[data-row]", has_text="the slow ones")
    row.locator("summary", has_text="Rename").click()
    row.get_by_label("New name of the slow ones").fill("slow")
    row.get_by_role("button", name="Rename").click()
    row = page.locator("[data-row]", has_text="slow")
    expect(row.locator("b")).to_have_text("slow")
    row.locator("summary", has_text="Delete").click()
    row.get_by_role("button", name="Delete the search").click()
    expect(page.get_by_text("No saved searches")).to_be_visible()
    assert eyes.seen() == []


def test_rows_ticked_by_key_become_rows_of_a_data_set(look: Look) -> None:
    eyes = look()
    page = eyes.go("/traces?last=30d")
    add = page.get_by_role("button", name="Add to data set")
    expect(add).to_be_disabled()
    for key in ("j", "x", "j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("3 chosen")).to_be_visible()
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_disabled()
    add.click()
    expect(page.get_by_text("3 ticked traces become rows")).to_be_visible()
    name = f"by-hand-{time.time_ns()}"
    page.get_by_label("Data set: one that is there").fill(name)
    page.get_by_label("What is expected").select_option("output")
    page.get_by_role("button", name="Add them").click()
    expect(page.get_by_role("heading", name="3 traces were added")).to_be_visible()
    page.get_by_role("link", name=f"{name}@1").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert eyes.seen() == []


def test_a_ticked_trace_is_erased_once_the_word_is_typed(look: Look, seeded: Seeded) -> None:
    span = make_span(1, trace=907, name="to be erased", start_ns=time.time_ns())
    seeded.world.services.traces.ingest(seeded.caller.scope, export_request([span]).SerializeToString())
    eyes = look()
    page = eyes.go("/traces?q=name:erased")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Erase …").click()
    expect(page.get_by_role("heading", name="1 trace goes for good")).to_be_visible()
    button = page.get_by_role("button", name="Erase them")
    expect(button).to_be_disabled()
    page.get_by_label(re.compile("^Type ")).fill(seeded.caller.project_id)
    button.click()
    expect(page).to_have_url(re.compile(r"/traces$"))
    eyes.go("/traces?q=name:erased")
    expect(page.locator(f"[data-trace='{trace_id_of(907).hex()}']")).to_have_count(0)
    assert eyes.seen() == []


def test_a_drag_on_the_histogram_narrows_what_the_facets_count(look: Look) -> None:
    eyes = look()
    page = eyes.go("/traces?last=30d")
    box = page.locator("svg.columns").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 10)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    expect(page.locator("a.facet").first).to_be_visible()
    assert eyes.seen() == []
