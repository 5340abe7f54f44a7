"""A trace of 50,000 spans, and scores given in place: as a person does it in Chromium."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.testing.traces import large_trace
from tests.browser.conftest import Eyes
from tests.component.ui.conftest import PROJECT, Seeded

pytestmark = pytest.mark.browser

Look = Callable[..., Eyes]
NUM_SPANS = 50_000
NUM_NODES = "document.getElementsByTagName('*').length"
MAX_NODES = 9_000
"""Of the whole page: what was measured after a fling in the design, and far from a node a span."""

ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PAGE = f"/traces/{trace_id_of(950).hex()}"


@pytest.fixture(scope="module")
def large(seeded: Seeded) -> str:
    """The page of a trace of 50,000 spans, sent as an exporter sends it: in batches."""
    spans = list(large_trace(NUM_SPANS, trace=950, start_ns=time.time_ns() - 3600 * 10**9, failing=(70, 40_000)))
    for start in range(0, NUM_SPANS, 5_000):
        request = export_request(spans[start : start + 5_000]).SerializeToString()
        seeded.world.services.traces.ingest(seeded.caller.scope, request)
    seeded.world.services.traces.settle()
    return PAGE


def chosen(page: Page) -> str:
    """The name of the chosen row, which is the one that assistive programs are told about."""
    row = page.locator("#tree [aria-selected=true]")
    expect(row).to_have_count(1)
    expect(page.locator("#tree")).to_have_attribute("aria-activedescendant", row.get_attribute("id") or "")
    return row.locator(".n-name").inner_text()


def test_a_link_into_the_middle_of_50_000_spans_shows_its_span(look: Look, large: str) -> None:
    eyes = look()
    answers: list[int] = []
    eyes.page.on("response", lambda answer: answers.append(len(answer.body())) if large in answer.url else None)
    page = eyes.go(f"{large}?span={span_id_of(25_006).hex()}")
    row = page.locator(f"#span-{span_id_of(25_006).hex()}")
    expect(row).to_be_in_viewport()
    expect(page.locator("#span h2")).to_have_text("step 25005")
    assert chosen(page) == "step 25005"
    assert page.evaluate(NUM_NODES) < MAX_NODES
    assert sum(answers) < 1_000_000
    assert page.locator("#tree").evaluate("tree => tree.scrollHeight") >= NUM_SPANS * 30
    assert eyes.seen() == []


def test_50_000_spans_are_walked_folded_and_searched_with_few_rows_in_the_page(look: Look, large: str) -> None:
    eyes = look()
    page = eyes.go(f"{large}?span={span_id_of(1).hex()}")
    page.keyboard.press("j")
    expect(page.locator("#span h2")).to_have_text("group 1")
    page.locator("#tree").focus()
    page.keyboard.press("End")
    expect(page.locator("#span h2")).to_have_text("step 49999")
    assert chosen(page) == "step 49999"
    page.keyboard.press("Home")
    expect(page.locator("#span h2")).to_have_text("run")
    page.keyboard.press("n")
    expect(page.locator("#span h2")).to_have_text("step 70")
    page.keyboard.press("[")
    expect(page.locator("#span h2")).to_have_text("group 61")
    expect(page.locator("#hidden-spans")).to_have_text("44999 hidden, 2 with errors")
    page.keyboard.press("n")
    expect(page.locator("#span h2")).to_have_text("step 70")
    page.keyboard.press("n")
    expect(page.locator("#span h2")).to_have_text("step 40000")
    assert chosen(page) == "step 40000"
    expect(page.locator("#hidden-spans")).to_have_text("44981 hidden")
    page.keyboard.press("]")
    expect(page.locator("#hidden-spans")).to_have_text("")
    page.get_by_role("searchbox", name="Find in this trace").fill("step 4999")
    expect(page.locator("#hidden-spans")).to_have_text("49990 hidden, 2 with errors")
    expect(page.locator("#tree [role=treeitem]").filter(has_text="step 4999")).to_have_count(10)
    assert page.evaluate(NUM_NODES) < MAX_NODES
    assert eyes.seen() == []


def test_scrolling_brings_rows_and_lets_go_of_others(look: Look, large: str) -> None:
    eyes = look()
    page = eyes.go(f"{large}?span={span_id_of(1).hex()}")
    for index in (1_000, 20_000, 49_900, 30_000):
        page.locator("#tree").evaluate("(tree, top) => { tree.scrollTop = top }", index * 30)
        row = page.locator(f"#tree [data-i='{index + 3}']")
        expect(row).to_be_in_viewport()
        assert page.evaluate(NUM_NODES) < MAX_NODES
    assert chosen(page) == "run"
    page.context.set_offline(True)
    page.locator("#tree").evaluate("tree => { tree.scrollTop = 300000 }")
    expect(page.locator("#hidden-spans")).to_have_text("some rows could not be loaded; scroll to try again")
    page.context.set_offline(False)
    page.locator("#tree").evaluate("tree => { tree.scrollTop = 300030 }")
    expect(page.locator("#tree [data-i='10005']")).to_be_in_viewport()


def test_a_score_is_given_corrected_and_deleted_by_keys_without_leaving_the_page(look: Look, seeded: Seeded) -> None:
    send = seeded.world.services.traces.ingest
    send(seeded.caller.scope, export_request([make_span(1, trace=960, name="judged")]).SerializeToString())
    eyes = look()
    page = eyes.go(f"/traces/{trace_id_of(960).hex()}")
    page.evaluate("window.isSamePage = true")
    page.keyboard.press("a")
    expect(page.locator("#score-name")).to_be_focused()
    page.keyboard.type("citation")  # a name that this project knows as a yes or no
    expect(page.get_by_label("Kind of value")).to_have_value("boolean")
    page.get_by_label("Kind of value").select_option("label")
    page.get_by_label("Value", exact=True).locator("visible=true").fill("warm")
    page.get_by_label("Why").fill("it smiles")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#scores-told")).to_have_text("The score citation is kept.")
    expect(page.locator("#scores-told")).to_be_focused()
    row = page.locator("#scores tbody tr")
    expect(row).to_contain_text("warm")
    expect(row).to_contain_text("it smiles")
    expect(row).to_contain_text("Human")
    expect(page.locator("#score-chips")).to_contain_text("citation warm")
    page.get_by_role("link", name="Correct the score citation").click()
    expect(page.locator("#score-name")).to_have_value("citation")
    page.get_by_label("Value", exact=True).locator("visible=true").fill("cold")
    page.get_by_role("button", name="Keep the score").click()
    expect(row).to_contain_text("cold")
    row.locator("summary").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#scores-told")).to_have_text("The score citation is deleted.")
    expect(page.locator("#scores tbody tr")).to_have_count(0)
    assert page.evaluate("window.isSamePage") is True
    assert eyes.seen() == []


def test_a_value_that_is_none_is_said_beside_what_was_typed(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/traces/{seeded.failed_trace}?part=scores")
    page.keyboard.press("a")
    page.keyboard.type("taste")
    page.get_by_label("Kind of value").select_option("numeric")
    page.get_by_label("Value", exact=True).locator("visible=true").fill("much")
    page.get_by_role("button", name="Keep the score").click()
    expect(page.locator("#scores").get_by_role("alert")).to_contain_text("'much' is not a number.")
    expect(page.locator("#score-name")).to_have_value("taste")
    expect(page.locator("#score-name")).to_be_focused()


def test_a_viewer_sees_no_form_and_a_narrow_chinese_page_has_it_whole(look: Look, seeded: Seeded) -> None:
    viewer = look(key=seeded.world.platform.key(Role.VIEWER, project=PROJECT))
    page = viewer.go(f"/traces/{seeded.failed_trace}?part=scores")
    expect(page.locator("[data-score-form]")).to_have_count(0)
    page.keyboard.press("a")
    assert viewer.seen() == []
    narrow = look(locale="zh-CN", viewport={"width": 390, "height": 844})
    page = narrow.go(f"/traces/{seeded.failed_trace}?part=scores")
    page.keyboard.press("a")
    expect(page.locator("#score-name")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    expect(page).to_have_url(re.compile("part=scores"))


def test_a_picture_in_a_message_is_fetched_when_it_is_asked_for(look: Look, seeded: Seeded) -> None:
    parts = [{"type": "blob", "mime_type": "image/png", "content": ONE_PIXEL}]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}]),
    }
    request = export_request([make_span(1, trace=970, attributes=attributes)]).SerializeToString()
    seeded.world.services.traces.ingest(seeded.caller.scope, request)
    eyes = look()
    asked: list[str] = []
    eyes.page.on("request", lambda request: asked.append(request.url) if "/attachments/" in request.url else None)
    page = eyes.go(f"/traces/{trace_id_of(970).hex()}")
    expect(page.locator("#span")).to_contain_text("image/png")
    assert asked == []
    page.get_by_text("Show the picture").click()
    picture = page.get_by_role("img", name="file in the message · image/png")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 1)
    assert len(asked) == 1
    assert eyes.seen() == []
