"""Following traces, laying two side by side, reading a session: as a person does it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from tests.browser.conftest import Eyes
from tests.component.ui.conftest import Seeded

pytestmark = pytest.mark.browser

Look = Callable[..., Eyes]


def send(seeded: Seeded, *spans: object) -> None:
    request = export_request(spans).SerializeToString()  # type: ignore[arg-type]
    seeded.world.services.traces.ingest(seeded.caller.scope, request)


def test_new_traces_come_in_at_the_top_and_wait_while_somebody_reads(look: Look, seeded: Seeded) -> None:
    eyes = look()
    page = eyes.go("/traces")
    page.mouse.move(5, 5)
    page.get_by_role("button", name="Follow new traces").click()
    page.mouse.move(5, 5)
    expect(page.locator("[data-live-state]")).to_have_text("following")
    expect(page).to_have_url(re.compile("live=1"))
    send(seeded, make_span(1, trace=901, name="came while nobody read", start_ns=time.time_ns()))
    expect(page.locator("[data-row]").first).to_contain_text("came while nobody read")
    page.locator("[data-row]").nth(3).hover()
    fourth = page.locator("[data-row]").nth(3).get_attribute("data-trace")
    send(seeded, make_span(1, trace=902, name="came while somebody read", start_ns=time.time_ns()))
    waiting = page.get_by_role("button", name="1 new")
    expect(waiting).to_be_visible()
    assert page.locator("[data-row]").nth(3).get_attribute("data-trace") == fourth
    waiting.click()
    expect(page.locator("[data-row]").first).to_contain_text("came while somebody read")
    expect(waiting).to_be_hidden()
    assert eyes.seen() == []


def test_a_running_trace_changes_in_place_until_it_ends(look: Look, seeded: Seeded) -> None:
    start_ns = time.time_ns()
    send(seeded, make_span(1, trace=903, name="long", start_ns=start_ns, duration_ns=None))
    eyes = look()
    page = eyes.go(f"/traces/{trace_id_of(903).hex()}")
    expect(page.locator("#trace-live")).to_have_text("followed until it ends")
    expect(page.locator("#trace-facts [data-since]")).to_have_text(re.compile(r"^\d+ s …$"))
    send(seeded, make_span(2, trace=903, parent=1, name="inner", start_ns=start_ns))
    expect(page.locator("#tree [role=treeitem]")).to_have_count(2)
    send(seeded, make_span(1, trace=903, name="long", start_ns=start_ns, duration_ns=3 * SECOND_NS))
    expect(page.locator("#trace-live")).to_have_text("ended; what is shown is whole")
    expect(page.locator("[data-since]")).to_have_count(0)
    expect(page.locator("#tree [aria-selected=true]")).to_have_count(1)
    assert eyes.seen() == []


def test_two_ticks_of_the_list_lay_two_traces_side_by_side(look: Look, seeded: Seeded) -> None:
    eyes = look()
    page = eyes.go("/traces")
    button = page.get_by_role("button", name="Compare", exact=True)
    boxes = page.get_by_role("checkbox")
    expect(button).to_be_disabled()
    boxes.nth(1).check()
    boxes.nth(2).check()
    boxes.nth(0).check()
    expect(button).to_be_disabled()
    boxes.nth(0).uncheck()
    page.keyboard.press("j")  # a box that was ticked has the focus, and nobody types there
    expect(page.locator("[data-row].here")).to_have_count(1)
    button.click()
    expect(page).to_have_url(re.compile(r"/traces/compare\?a=[0-9a-f]{32}&b=[0-9a-f]{32}$"))
    expect(page.get_by_role("heading", name="Two traces", level=1)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"pair=\d+"))
    name = page.locator("tr.here a[data-open]").inner_text()
    expect(page.locator("#pair h2")).to_have_text(name)
    assert eyes.seen() == []


def test_a_session_is_opened_from_the_list_by_keys_and_read_in_order(look: Look, seeded: Seeded) -> None:
    eyes = look()
    page = eyes.go("/sessions")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/sessions/s-[0-9a-f]{4}$"))
    times = page.locator(".talk time").evaluate_all("all => all.map((each) => each.dateTime)")
    assert len(times) > 1
    assert times == sorted(times)
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/sessions$"))
    assert eyes.seen() == []
