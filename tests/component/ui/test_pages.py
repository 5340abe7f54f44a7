"""Every page, in both languages, through the real authentication layer, on real services."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span
from aiplatform.tracing.model import DAY_NS, ScoreSource
from tests.component.ui import world as worlds
from tests.component.ui.conftest import PROJECT, Seeded
from tests.component.ui.world import World

HTML = {"accept": "text/html"}
LOCALES = {"en": "en", "zh_CN": "zh-CN"}


class Checker(HTMLParser):
    """Collects what a page must not have, and the ids and headings it has."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.lang = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "html":
            self.lang = values.get("lang") or ""
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        self.wrong += [f"<{tag} {name}>" for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not values.get("src") and values.get("type") != "application/json"):
            self.wrong.append(f"<{tag}> inline")


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    return checker


@pytest.fixture
def browser(seeded: Seeded) -> httpx.Client:
    client = seeded.world.platform.client(Role.ADMIN, project=PROJECT)
    client.headers.update(HTML)
    return client


@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_stands_in_both_languages(seeded: Seeded, browser: httpx.Client, locale: str) -> None:
    for path in seeded.pages:
        response = browser.get(seeded.base + path, headers={"cookie": f"aip_locale={locale}"})
        assert response.status_code == 200, (path, response.text[:500])
        page = checked(response.text)
        assert page.lang == LOCALES[locale], path
        assert page.wrong == [], path
        assert page.headings.count("h1") == 1, path
        repeated = {one for one in page.ids if page.ids.count(one) > 1}
        assert repeated == set(), path


def test_every_page_carries_the_policy_and_is_not_kept(seeded: Seeded, browser: httpx.Client) -> None:
    for path in ("", "/traces", f"/comparisons/{seeded.comparison.comparison_id}"):
        headers = browser.get(seeded.base + path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "HX-Request" in headers["vary"]


def test_the_comparison_begins_with_its_verdict(seeded: Seeded, browser: httpx.Client) -> None:
    text = browser.get(f"{seeded.base}/comparisons/{seeded.comparison.comparison_id}").text
    verdict = seeded.comparison.verdict.headline_text("en")
    assert verdict in text
    assert text.index(verdict) < text.index('id="forest"') < text.index('id="rows"')


def test_rows_that_changed_are_filters_with_counts(seeded: Seeded, browser: httpx.Client) -> None:
    path = f"{seeded.base}/comparisons/{seeded.comparison.comparison_id}"
    worse = browser.get(path).text
    better = browser.get(f"{path}?change=better").text
    counts = next(each for each in seeded.comparison.counts if each.run_id == seeded.comparison.verdict.promote)
    for text in (worse, better):
        assert f"worse {counts.worse}<" in text
        assert f"better {counts.better}<" in text
    assert worse.count("<li>\n<b") == min(10, counts.worse)


def test_a_query_that_is_wrong_points_at_its_column(seeded: Seeded, browser: httpx.Client) -> None:
    response = browser.get(f"{seeded.base}/traces?q=kind:agent+and+duraton+%3E+2s")
    assert response.status_code == 422
    assert "There is no field &#39;duraton&#39; (column 16). Did you mean &#39;duration&#39;?" in response.text
    assert 'kind:agent and <span class="squiggle">duraton</span> &gt; 2s\n               ^^^^^^^' in response.text
    assert "q=kind%3Aagent+and+duration+%3E+2s" in response.text


def test_nothing_found_says_which_condition_to_drop(seeded: Seeded, browser: httpx.Client) -> None:
    text = browser.get(f"{seeded.base}/traces?q=status:error+session:nobody").text
    assert "Nothing matches" in text
    assert "q=status%3Aerror" in text


def test_chinese_text_is_found_although_it_was_sent_escaped(seeded: Seeded, browser: httpx.Client) -> None:
    assert "answer_question" in browser.get(f"{seeded.base}/traces?q=内部").text


def test_a_span_is_a_fragment_of_the_trace_at_the_same_address(seeded: Seeded, browser: httpx.Client) -> None:
    path = f"{seeded.base}/traces/{seeded.failed_trace}"
    whole = browser.get(path)
    fragment = browser.get(path, headers={"hx-request": "true", "hx-target": "span"})
    restored = browser.get(path, headers={"hx-request": "true", "hx-history-restore-request": "true"})
    assert "<html" in whole.text
    assert "<html" not in fragment.text
    assert "TimeoutError" in fragment.text
    assert "<html" in restored.text


def test_escaped_characters_are_shown_as_themselves(seeded: Seeded, browser: httpx.Client) -> None:
    text = browser.get(f"{seeded.base}/traces/{seeded.failed_trace}").text
    assert "内部" in text
    assert "\\u5185" not in text


def test_what_is_not_known_is_a_dash_and_never_zero(seeded: Seeded, browser: httpx.Client) -> None:
    long_ago_ns = seeded.world.services.traces.clock.now_ns() - 60 * DAY_NS  # no list of another test goes back so far
    span = make_span(1, trace=77, name="by hand", start_ns=long_ago_ns)
    seeded.world.services.traces.ingest(seeded.caller.scope, export_request([span]).SerializeToString())
    text = browser.get(f"{seeded.base}/traces/{span.trace_id.hex()}").text
    cost = re.search(r"<dt>Cost</dt><dd>([^<]*)</dd>", text)
    assert cost is not None
    assert cost[1] == "—"


def test_markup_in_data_stays_text(seeded: Seeded, browser: httpx.Client) -> None:
    world, scope = seeded.world, seeded.caller.scope
    evil = "<script>alert(1)</script>"
    world.services.traces.add_score(
        scope,
        trace_id=seeded.failed_trace,
        name="note",
        value=evil,
        source=ScoreSource.HUMAN,
        principal="user:x",
        comment=evil,
    )
    text = browser.get(f"{seeded.base}/traces/{seeded.failed_trace}").text
    assert evil not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_key_is_shown_once_and_revoked_by_its_page(seeded: Seeded, browser: httpx.Client) -> None:
    made = browser.post(f"{seeded.base}/keys", data={"name": "of a page", "role": "viewer", "days": "30", "bound": "1"})
    assert made.status_code == 201
    key = re.search(r'id="new-key">(aip_[^<]+)<', made.text)
    assert key is not None
    listed = browser.get(f"{seeded.base}/keys").text
    key_id = key[1][:12]
    assert key[1] not in listed
    assert key_id in listed
    client = seeded.world.platform.client(key=key[1], project=PROJECT)
    assert client.get(f"{seeded.base}/traces", headers=HTML).status_code == 200
    assert browser.post(f"{seeded.base}/keys/{key_id}/revoke").status_code == 303
    refused = client.get(f"{seeded.base}/traces", headers=HTML)
    assert refused.status_code == 303
    assert refused.headers["location"].startswith("/sign-in?next=")


def test_a_role_above_ones_own_is_refused_in_the_form(seeded: Seeded, browser: httpx.Client) -> None:
    response = browser.post(f"{seeded.base}/keys", data={"name": "x", "role": "platform_admin"})
    assert response.status_code == 403
    assert 'role="alert"' in response.text


def test_a_viewer_reads_and_is_told_what_they_may_not(seeded: Seeded) -> None:
    client = seeded.world.platform.client(Role.VIEWER, project=PROJECT)
    client.headers.update(HTML)
    page = client.get(f"{seeded.base}/models/qa").text
    assert "Make v" not in page
    assert "/keys" not in page
    refused = client.get(f"{seeded.base}/keys")
    assert refused.status_code == 403
    assert "keys.read" in refused.text
    assert refused.headers["x-request-id"] in refused.text


def test_the_champion_is_moved_by_the_page(seeded: Seeded, browser: httpx.Client) -> None:
    moved = browser.post(f"{seeded.base}/models/qa/champion", data={"version": "3", "expected": "2"})
    assert moved.status_code == 303
    assert "champion</span>" in browser.get(seeded.base + "/models/qa?version=3").text
    stale = browser.post(f"{seeded.base}/models/qa/champion", data={"version": "1", "expected": "2"})
    assert stale.status_code == 409
    assert browser.post(f"{seeded.base}/models/qa/champion", data={"version": "2", "expected": "3"}).status_code == 303


def test_an_older_revision_is_wanted_again_by_the_page(seeded: Seeded, browser: httpx.Client) -> None:
    assert browser.post(f"{seeded.base}/deployments/docs-assistant/rollback", data={"to": "1"}).status_code == 303
    assert "app:Assistant" in browser.get(f"{seeded.base}/deployments/docs-assistant").text


def test_the_palette_finds_things_by_name(seeded: Seeded, browser: httpx.Client) -> None:
    found = browser.get(f"{seeded.base}/find?q=docs-ass").text
    assert f"{seeded.base}/deployments/docs-assistant" in found
    assert f"/traces/{'a' * 32}" in browser.get(f"{seeded.base}/find?q={'a' * 32}").text


def test_errors_carry_the_request_id_and_say_what_to_do(seeded: Seeded, browser: httpx.Client) -> None:
    response = browser.get(f"{seeded.base}/traces/{'0' * 32}")
    assert response.status_code == 404
    assert response.headers["x-request-id"] in response.text
    assert "There is no trace" in response.text
    fragment = browser.get(f"{seeded.base}/traces/{'0' * 32}", headers={"hx-request": "true"})
    assert "<html" not in fragment.text
    assert "tracing.no_trace" in fragment.text


def test_short_addresses_lead_to_the_page_in_the_readers_tenant(seeded: Seeded) -> None:
    platform = seeded.world.platform
    short = Credentials(url="", project_id=PROJECT).page(f"/comparisons/{seeded.comparison.comparison_id}")
    client = platform.client(Role.VIEWER)
    client.headers.update(HTML)
    found = client.get(short + "&metric=mrr")
    assert found.status_code == 303
    assert found.headers["location"] == f"{seeded.base}/comparisons/{seeded.comparison.comparison_id}?metric=mrr"
    assert client.get(found.headers["location"]).status_code == 200
    assert client.get("/traces").headers["location"] == "/default/default/traces"
    assert Credentials(url="http://here", project_id="default").page("/traces/1") == "http://here/traces/1"
    other = platform.client(Role.VIEWER, tenant="beta", project=PROJECT)
    other.headers.update(HTML)
    elsewhere = other.get(short).headers["location"]
    assert elsewhere.startswith(f"/beta/{PROJECT}/")
    assert other.get(elsewhere).status_code == 404


def test_a_one_time_code_leads_to_the_page_that_a_command_printed(seeded: Seeded) -> None:
    platform = seeded.world.platform
    code = platform.tenancy.sessions.new_code_for(seeded.caller)
    short = f"/comparisons/{seeded.comparison.comparison_id}?project={PROJECT}"
    client = platform.client(None)
    client.headers.update(HTML)
    answer = client.get(f"/sign-in?code={code}&next={quote(short)}", follow_redirects=True)
    assert answer.status_code == 200
    assert seeded.comparison.verdict.headline_text("en") in answer.text


def test_a_second_tenant_sees_nothing_of_the_first(seeded: Seeded) -> None:
    client = seeded.world.platform.client(Role.ADMIN, tenant="beta", project=PROJECT)
    client.headers.update(HTML)
    secrets = ("answer_question", "MiniLM", "TimeoutError", "adapter-1", "app:Reranker", "admin@default", "PSF-2.0")
    for path in seeded.pages:
        assert client.get(seeded.base + path).status_code == 404, path
        own = client.get(f"/beta/{PROJECT}{path}")
        assert own.status_code in {200, 404}, path
        assert [secret for secret in secrets if secret in own.text] == [], path
    assert client.get(f"/beta/{PROJECT}/waiting").status_code == 204


def test_a_key_of_one_project_does_not_open_another(seeded: Seeded) -> None:
    platform = seeded.world.platform
    platform.caller(Role.ADMIN, project="other")
    made = platform.tenancy.keys.create(seeded.caller, name="bound", role=Role.VIEWER, project_id=PROJECT)
    client = platform.client(key=made.text, project=PROJECT)
    client.headers.update(HTML)
    assert client.get("/default/other/traces").status_code == 404
    assert "/default/other" not in client.get(f"{seeded.base}/traces").text


def test_the_first_visit_waits_for_the_first_span_and_sees_it(make_world: Callable[..., World]) -> None:
    world = make_world()
    client = world.platform.client(Role.DEVELOPER)
    client.headers.update(HTML)
    first = client.get("/default/default").text
    assert "Send the first trace" in first
    assert "Waiting for the first span" in first
    assert "aip_YOUR_KEY" in first
    assert client.get("/default/default/waiting?since=0").status_code == 204
    scope = world.platform.caller().scope
    trace_id = worlds.send_trace(world, scope, index=1, start_ns=1_700_000_000_000_000_000)
    arrived = client.get("/default/default/waiting?since=0")
    assert arrived.status_code == 200
    assert f"/default/default/traces/{trace_id}" in arrived.text
    assert "Send the first trace" not in client.get("/default/default").text


def test_empty_pages_say_how_to_get_the_first(make_world: Callable[..., World]) -> None:
    client = make_world().platform.client(Role.ADMIN)
    client.headers.update(HTML)
    for path, sentence in (
        ("/traces", "No traces yet"),
        ("/evaluations", "No evaluations yet"),
        ("/judges", "No judges yet"),
        ("/reviews", "No review queues yet"),
        ("/datasets", "No data sets yet"),
        ("/deployments", "Nothing is deployed yet"),
    ):
        assert sentence in client.get(f"/default/default{path}").text


def test_a_part_that_cannot_be_read_fails_alone(make_world: Callable[..., World]) -> None:
    """MLflow does not answer: the page stands and says so, and is not taken for empty."""
    client = make_world(mlflow_url="http://127.0.0.1:9").platform.client(Role.ADMIN)
    client.headers.update(HTML)
    for path in ("/models", "/experiments"):
        response = client.get(f"/default/default{path}")
        assert response.status_code == 200
        assert "circle-x" in response.text
        assert "yet" not in response.text
        assert response.headers["x-request-id"] in response.text


def test_the_overview_knows_no_models_where_they_cannot_be_asked_for(make_world: Callable[..., World]) -> None:
    world = make_world(mlflow_url="http://127.0.0.1:9")
    worlds.send_trace(world, world.platform.caller().scope, index=1, start_ns=time.time_ns())
    client = world.platform.client(Role.ADMIN)
    client.headers.update(HTML)
    text = client.get("/default/default").text
    models = re.search(r'href="/default/default/models">.*?<span class="figure">(.*?)</span><small>(.*?)</small>', text)
    assert models is not None
    assert models.groups() == ("—", "not known now")
    assert "Nothing needs you in this time." in text
