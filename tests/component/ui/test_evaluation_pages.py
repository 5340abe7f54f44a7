"""Pages of evaluation beside the verdict: a row in full, live progress, leaderboards, reports, changes of data sets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from aiplatform.eval.model import Change, NewRun, RunStatus, RunUpdate
from aiplatform.tenancy.permissions import Role
from tests.component.ui.conftest import PROJECT, Seeded
from tests.component.ui.world import World


@pytest.fixture
def browser(seeded: Seeded) -> httpx.Client:
    return seeded.world.platform.client(Role.ADMIN, project=PROJECT)


def page(browser: httpx.Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_row_shows_both_answers_what_changed_and_every_score_with_its_reason(
    seeded: Seeded, browser: httpx.Client
) -> None:
    comparison = seeded.comparison
    candidate = comparison.verdict.promote or ""
    service = seeded.world.services.evaluations
    rows = service.comparison_rows(seeded.caller, comparison.comparison_id, candidate=candidate, change=Change.WORSE)
    first, second = rows.items[0], rows.items[1]
    base = f"{seeded.base}/comparisons/{comparison.comparison_id}"
    listed = page(browser, f"{base}?version={candidate}")
    href = re.search(r'<b[^>]*><a href="([^"]+)"', listed)
    assert href is not None
    text = page(browser, href.group(1).replace("&amp;", "&"))
    assert first.row_id in text
    assert "<del>" in text or "Both said the same." in text
    assert "1 of 4" in text
    assert f"id={second.row_id}" in text
    assert f"/traces/{first.candidate.trace_id}" in text
    assert text.count('<th scope="row">') == len(service.row(seeded.caller, candidate, first.row_id).scores)


def test_what_is_not_there_is_not_found(seeded: Seeded, browser: httpx.Client) -> None:
    run_id = seeded.comparison.baseline.run_id
    for path in (f"/evaluations/{run_id}/row?id=none", f"/comparisons/{seeded.comparison.comparison_id}/row?id=none"):
        assert browser.get(f"{seeded.base}{path}").status_code == 404


def test_the_leaderboard_says_what_is_tied(seeded: Seeded, browser: httpx.Client) -> None:
    text = page(browser, f"{seeded.base}{seeded.leaderboard}")
    board = seeded.world.services.evaluations.leaderboard(seeded.caller, data=seeded.comparison.data.label)
    assert re.findall(r"data-open [^>]+><b>(\w+)</b>", text) == [one.name for one in board.entries]
    assert text.count('title="tied"') == sum(one.is_tied for one in board.entries)
    assert "rank bands of draws over" in text
    assert 'on=mrr"' in text
    by_mrr = page(browser, f"{seeded.base}{seeded.leaderboard}&on=mrr")
    assert "Ranked by mrr" in by_mrr
    assert 'aria-current="true">mrr</a>' in by_mrr


def test_reports_are_offered_and_come_in_the_readers_language(seeded: Seeded, browser: httpx.Client) -> None:
    path = f"{seeded.base}/comparisons/{seeded.comparison.comparison_id}"
    assert f'href="{path}/report?format=pdf"' in page(browser, path)
    english = browser.get(f"{path}/report?format=md").text
    chinese = browser.get(f"{path}/report?format=md", headers={"accept-language": "zh-CN"}).text
    assert seeded.comparison.verdict.headline_text("en").split(":")[0] in english
    assert chinese.startswith("## ")
    assert chinese != english


def test_two_versions_are_compared_row_by_row(seeded: Seeded, browser: httpx.Client) -> None:
    text = page(browser, f"{seeded.base}/datasets/python-faq/changes?before=1&after=2")
    assert "python-faq@1 → python-faq@2" in text
    assert "added 149" in text
    assert text.count("<li>") >= 20
    backwards = page(browser, f"{seeded.base}/datasets/python-faq/changes?before=2&after=1")
    assert "removed 149" in backwards


def test_a_running_evaluation_is_followed_and_a_poll_without_news_says_nothing(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    caller = world.platform.caller(Role.ADMIN)
    browser = world.platform.client(Role.ADMIN)
    evaluations = world.services.evaluations
    run = evaluations.create(caller, NewRun(name="v7", total_rows=100))
    path = f"/default/default/evaluations/{run.run_id}"
    poll = followed(page(browser, path))
    assert browser.get(poll).status_code == 204
    listed = page(browser, "/default/default/evaluations")
    assert f'hx-select-oob="#run-{run.run_id}"' in listed
    evaluations.update(caller, run.run_id, RunUpdate(done_rows=40))
    assert "40 of 100 rows are done." in page(browser, poll)
    poll = followed(page(browser, path))
    evaluations.update(caller, run.run_id, RunUpdate(status=RunStatus.COMPLETED, done_rows=100))
    text = page(browser, poll)
    assert "hx-trigger" not in text.split('id="progress"')[1].split(">")[0]


def followed(text: str) -> str:
    found = re.search(r'id="progress" hx-get="([^"]+)"', text)
    assert found is not None
    return found.group(1).replace("&amp;", "&")


def test_another_tenant_finds_none_of_it(seeded: Seeded) -> None:
    stranger: Any = seeded.world.platform.client(Role.ADMIN, tenant="globex")
    for path in (f"/comparisons/{seeded.comparison.comparison_id}/report", "/datasets/python-faq/changes"):
        assert stranger.get(f"/globex/default{path}").status_code == 404
