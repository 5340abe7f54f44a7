"""The pages as a person uses them: signing in, keys, language, theme, live parts, charts, narrow windows."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aiplatform.eval.reporting.content import Report, ReportFormat
from aiplatform.eval.reporting.service import Reports, render
from aiplatform.tenancy.permissions import Role
from tests.browser.conftest import Eyes
from tests.component.ui import world as worlds
from tests.component.ui.conftest import Seeded

pytestmark = pytest.mark.browser

Look = Callable[..., Eyes]


def test_a_key_signs_in_and_leads_to_the_page_that_was_wanted(look: Look, seeded: Seeded, address: str) -> None:
    eyes = look(signed_in=False)
    page = eyes.go("/traces?q=status:error")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.fill("input[name=key]", "aip_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="API key")).to_be_visible()
    page.fill("input[name=key]", seeded.world.platform.key(Role.VIEWER))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/traces\?q=status:error"))


def test_a_one_time_code_signs_in_once(look: Look, seeded: Seeded, address: str) -> None:
    code = seeded.world.platform.tenancy.sessions.new_code_for(seeded.caller)
    eyes = look(signed_in=False)
    eyes.page.goto(f"{address}/sign-in?code={code}")
    expect(eyes.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    again = look(signed_in=False)
    again.page.goto(f"{address}/sign-in?code={code}")
    expect(again.page.get_by_text("used before")).to_be_visible()


def test_no_page_breaks_the_policy_or_logs_an_error(look: Look, seeded: Seeded) -> None:
    eyes = look(color_scheme="dark")
    for path in seeded.templates:
        page = eyes.go(path)
        for chart in page.locator("[data-chart] canvas").all()[:1]:
            chart.hover()
        assert eyes.seen() == [], path


def test_the_list_of_traces_is_walked_and_opened_by_keys(look: Look, seeded: Seeded) -> None:
    eyes = look()
    page = eyes.go("/traces")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-row].here")).to_have_count(1)
    expect(page.locator("[data-row]").first).to_have_class(re.compile("here"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/traces/[0-9a-f]{32}"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/traces$"))


def test_the_tree_of_a_trace_is_walked_by_keys_and_the_address_follows(look: Look, seeded: Seeded) -> None:
    eyes = look()
    page = eyes.go(f"/traces/{seeded.failed_trace}")
    expect(page.locator("#span")).to_contain_text("TimeoutError")
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile(r"span=[0-9a-f]{16}"))
    expect(page.locator("#span h2")).to_have_text("embed query")
    page.keyboard.press("j")
    expect(page.locator("#span h2")).to_have_text("open_page")
    page.reload()
    expect(page.locator("#tree [aria-selected=true]")).to_contain_text("open_page")
    page.keyboard.press("[")
    expect(page.locator("#tree [role=treeitem]:visible")).to_have_count(2)
    page.keyboard.press("]")
    expect(page.locator("#tree [role=treeitem]:visible")).to_have_count(8)
    page.locator("#tree").focus()
    page.keyboard.press("End")
    expect(page.locator("#span h2")).to_have_text("chat gpt-5-mini")
    assert eyes.seen() == []


def test_what_the_search_in_a_trace_hides_is_counted(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/traces/{seeded.failed_trace}")
    page.get_by_role("searchbox", name="Find in this trace").fill("open_page")
    expect(page.locator("#hidden-spans")).to_have_text("7 hidden")


def test_keys_rest_while_somebody_types(look: Look) -> None:
    page = look().go("/traces")
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("j?gt")
    expect(page.locator("#query")).to_have_value("j?gt")
    expect(page.locator("[data-row].here")).to_have_count(0)
    expect(page.locator("#keys-help")).not_to_be_visible()


def test_keys_rest_while_an_input_method_composes(look: Look) -> None:
    page = look().go("/traces")
    for how in ("{key: 'j', isComposing: true}", "{key: 'j', keyCode: 229}"):
        page.evaluate(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{bubbles: true, ...{how}}}))")
    expect(page.locator("[data-row].here")).to_have_count(0)
    page.keyboard.press("j")
    expect(page.locator("[data-row].here")).to_have_count(1)


def test_the_first_stop_of_the_keyboard_skips_to_the_content_and_is_seen(look: Look) -> None:
    page = look().go("/traces")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    assert link.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_palette_finds_pages_and_things(look: Look) -> None:
    eyes = look()
    page = eyes.go()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-ask")).to_be_focused()
    page.keyboard.type("docs-a")
    expect(page.get_by_role("option", name="docs-assistant deployment")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/deployments/docs-assistant"))
    page.keyboard.press("Control+k")
    page.keyboard.type("no such thing")
    expect(page.get_by_text("Nothing has such a name here.")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys", level=2)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("/models$"))
    assert eyes.seen() == []


def test_every_key_that_help_shows_does_something(look: Look, seeded: Seeded) -> None:
    page = look().go()
    shown = set(page.locator("#keys-help dt").all_text_contents())
    tried = {"CtrlK", "?", "/", "jk", "↵", "Esc", "[]", "n", "a", "x", "go", "gt", "ge", "gs", "gx", "gm", "gd"}
    reviewing = {"19", "Ctrl↵", "u"}  # test_review.py presses these
    assert shown == tried | reviewing
    for key, path in (
        ("e", "/evaluations"),
        ("s", "/datasets"),
        ("x", "/experiments"),
        ("d", "/deployments"),
        ("t", "/traces"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(f"{path}$"))
        page.wait_for_load_state("load")  # the address changes before the scripts of the page are there
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("/docs-assistant$"))


def test_project_and_tenant_are_switched(look: Look, seeded: Seeded, address: str) -> None:
    platform = seeded.world.platform
    platform.caller(Role.ADMIN, project="second")
    eyes = look()
    page = eyes.go("/models")
    page.locator(".switcher summary").click()
    page.locator(".switcher").get_by_role("link", name="second").click()
    expect(page).to_have_url(f"{address}/default/second/models")
    expect(page.get_by_role("heading", name="No models yet")).to_be_visible()
    page.goto(f"{address}/sign-in")
    page.fill("input[name=key]", platform.key(Role.ADMIN, tenant="gamma"))
    page.click("main button:not([name])")
    expect(page).to_have_url(re.compile("/gamma/"))
    page.locator(".switcher summary").click()
    page.locator(".switcher").get_by_role("link", name="default", exact=True).last.click()
    expect(page).to_have_url(re.compile("/default/"))
    assert eyes.seen() == []


def test_who_may_not_is_told_what_it_needs_and_has_an_id_to_quote(look: Look, seeded: Seeded) -> None:
    platform = seeded.world.platform
    key = platform.key(Role.VIEWER, project="docs-assistant")
    page = look(key=key, permissions=["clipboard-read", "clipboard-write"]).go("/keys")
    expect(page.get_by_role("heading", name="You may not open this")).to_be_visible()
    expect(page.get_by_text("keys.read").first).to_be_visible()
    shown = page.locator("#request-id").text_content()
    page.get_by_role("button", name="Copy the request id").click()
    expect(page.locator("#toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown


def test_a_part_asked_for_after_the_session_ended_leads_to_signing_in_and_back(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/traces/{seeded.failed_trace}")
    page.context.clear_cookies()
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.fill("input[name=key]", seeded.world.platform.key(Role.VIEWER))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(rf"/traces/{seeded.failed_trace}\?span="))


def test_a_waiting_page_whose_session_ended_leads_to_signing_in_and_back(look: Look, address: str) -> None:
    page = look().go("?start=1&way=curl")
    page.context.clear_cookies()
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/default/docs-assistant%3Fstart%3D1%26way%3Dcurl$"))


def test_a_span_that_cannot_be_fetched_says_so(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/traces/{seeded.failed_trace}")
    page.context.set_offline(True)
    page.keyboard.press("k")
    expect(page.locator("#span")).to_have_text("This span could not be loaded. Choose it again.")
    page.context.set_offline(False)
    page.keyboard.press("j")
    expect(page.locator("#span h2")).to_have_text("open_page")


def test_a_part_that_fails_shows_its_error_with_an_id(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/evaluations/{seeded.comparison.baseline.run_id}")
    tab = page.locator("#rows").get_by_role("link", name="failed")
    tab.evaluate("e => { e.setAttribute('hx-get', location.pathname + '-gone'); htmx.process(e.parentElement) }")
    tab.click()
    expect(page.locator("#alert")).to_contain_text("evaluation")
    expect(page.locator("#alert #request-id")).to_have_text(re.compile("^req-"))
    page.locator("#alert").get_by_role("button", name="Close").click()
    expect(page.locator("#alert")).to_be_empty()


def test_language_and_theme_are_switched_and_kept(look: Look) -> None:
    eyes = look()
    page = eyes.go("/traces?sort=slowest")
    page.locator(".rail .foot summary").click()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page).to_have_url(re.compile(r"/traces\?sort=slowest"))
    page.locator(".rail .foot summary").click()
    page.locator("button[name=theme][value=dark]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(17, 18, 20)"
    page.locator(".rail .foot summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert eyes.seen() == []


def test_the_browser_names_its_zone_and_times_follow(look: Look, seeded: Seeded) -> None:
    eyes = look(timezone_id="Asia/Shanghai")
    eyes.go()
    page = eyes.go(f"/traces/{seeded.failed_trace}")
    assert "UTC+08:00" in (page.locator(".trace-facts time").get_attribute("title") or "")
    page.locator(".rail .foot summary").click()
    page.locator("button[name=utc][value='1']").click()
    title = page.locator(".trace-facts time").get_attribute("title") or ""
    assert " UTC ·" in title


def test_the_first_trace_appears_while_the_page_waits(look: Look, seeded: Seeded, address: str) -> None:
    scope = seeded.world.platform.caller(Role.ADMIN, project="waits").scope
    eyes = look(base=f"{address}/default/waits")
    page = eyes.go()
    expect(page.get_by_text("Waiting for the first span")).to_be_visible()
    worlds.send_trace(seeded.world, scope, index=3, start_ns=time.time_ns())
    expect(page.get_by_role("link", name="Open the trace")).to_be_visible()
    page.get_by_role("link", name="Open the trace").click()
    expect(page.get_by_role("heading", name="answer_question", level=1)).to_be_visible()
    assert eyes.seen() == []


def test_copying_a_snippet_puts_a_fresh_key_into_it(look: Look, seeded: Seeded, address: str) -> None:
    eyes = look(permissions=["clipboard-read", "clipboard-write"])
    page = eyes.go("?start=1&way=otel")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#snippet-note")).to_contain_text("expires in 7 days")
    copied = page.evaluate("navigator.clipboard.readText()")
    key = re.search(r"Bearer (aip_[0-9a-z]{8}_[0-9a-z]{40}),", copied)
    assert key is not None
    assert "aip_YOUR_KEY" in (page.locator("#snippet").text_content() or "")
    caller = seeded.world.platform.tenancy.authenticator.authenticate({"authorization": f"Bearer {key[1]}"})
    assert caller.project_id == seeded.caller.project_id
    assert not caller.may("traces.read")  # type: ignore[arg-type]


def test_a_link_is_copied_whole(look: Look) -> None:
    eyes = look(permissions=["clipboard-read", "clipboard-write"])
    page = eyes.go("/traces?q=status:error")
    page.get_by_text("Copy as").click()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{eyes.base}/traces?q=status%3Aerror"


def test_tabs_of_the_comparison_change_a_part_and_replace_the_address(look: Look, seeded: Seeded) -> None:
    eyes = look()
    eyes.go("/evaluations")
    page = eyes.go(f"/comparisons/{seeded.comparison.comparison_id}")
    expect(page.locator("[data-verdict]")).to_contain_text("Promote v5")
    page.locator("#forest").get_by_role("link", name="mrr").click()
    expect(page).to_have_url(re.compile("metric=mrr"))
    expect(page.locator("#forest thead th").nth(1)).to_have_text("mrr")
    page.locator("#rows").get_by_role("link", name=re.compile("better")).click()
    expect(page).to_have_url(re.compile("change=better"))
    page.keyboard.press("n")
    expect(page.locator("[data-changed] li.here")).to_have_count(1)
    page.go_back()
    expect(page).to_have_url(re.compile("/evaluations$"))
    assert eyes.seen() == []


def test_dragging_on_the_histogram_chooses_a_time(look: Look) -> None:
    page = look().go("/traces")
    box = page.locator("svg.columns").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 20)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d{13}&to=\d{13}"))
    expect(page.get_by_role("heading", name="Traces", level=1)).to_be_visible()


def test_a_chart_has_its_data_as_a_table(look: Look, seeded: Seeded) -> None:
    page = look().go(f"/experiments/{seeded.experiment_id}")
    expect(page.locator("[data-chart] canvas").first).to_be_visible()
    page.get_by_text("As a table").first.click()
    expect(page.get_by_role("columnheader", name="adapter-1").first).to_be_visible()


def test_revoking_a_key_asks_for_its_name(look: Look, seeded: Seeded) -> None:
    made = seeded.world.platform.tenancy.keys.create(seeded.caller, name="to be revoked", role=Role.VIEWER)
    page = look().go("/keys")
    row = page.get_by_role("row").filter(has_text=made.key.key_id)
    row.get_by_text("Revoke", exact=True).click()
    button = row.get_by_role("button", name="Revoke the key")
    expect(button).to_be_disabled()
    row.get_by_role("textbox").fill(made.key.key_id)
    button.click()
    expect(page.get_by_role("row").filter(has_text=made.key.key_id)).to_have_count(0)
    expect(page.get_by_text("to be revoked")).to_be_visible()


def problems_of(page: Page) -> list[str]:
    """What the page will log, break on, or ask for beside itself."""
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: None if asked.is_navigation_request() else problems.append(asked.url))
    return problems


def test_a_report_opens_with_no_network_and_without_an_error(chromium: Browser, seeded: Seeded, tmp_path: Path) -> None:
    reports = Reports(seeded.world.services.evaluations)
    made: dict[str, Report] = {
        "comparison": reports.of_comparison(seeded.caller, seeded.comparison.comparison_id),
        "run": reports.of_run(seeded.caller, seeded.comparison.baseline.run_id),
    }
    with chromium.new_context(offline=True) as context:
        for name, locale in itertools.product(made, ("en", "zh_CN")):
            path = tmp_path / f"{name}-{locale}.html"
            path.write_bytes(render(made[name], ReportFormat.HTML, locale))
            page = context.new_page()
            problems = problems_of(page)
            page.goto(path.as_uri())
            expect(page.locator("h1")).to_have_css("font-size", "24px")
            if name == "comparison":
                expect(page.locator("svg.lane circle").first).to_be_visible()
            assert problems == [], path.name
