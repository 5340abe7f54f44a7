"""A person judges on a page: choose, save and go on, skip, take back; calibrations begin with their answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from aiplatform.eval.reviewing.model import ItemFilter, NewQueue
from aiplatform.tenancy.permissions import Role
from tests.component.ui.conftest import PROJECT, Seeded

HTML = {"accept": "text/html"}


@pytest.fixture
def browser(seeded: Seeded) -> httpx.Client:
    client = seeded.world.platform.client(Role.ADMIN, project=PROJECT)
    client.headers.update(HTML)
    return client


@pytest.fixture
def queue(seeded: Seeded) -> Iterator[str]:
    """A queue of this test's own, with four answers."""
    reviews = seeded.world.services.reviews
    made = reviews.create(seeded.caller, NewQueue(name="own", rubric="Is it <b>right</b>?")).queue_id
    reviews.fill_from_run(seeded.caller, made, seeded.comparison.baseline.run_id, limit=4)
    yield made
    reviews.set_open(seeded.caller, made, is_open=False)


def test_an_item_is_judged_skipped_and_taken_back_on_its_page(
    seeded: Seeded, browser: httpx.Client, queue: str
) -> None:
    reviews, path = seeded.world.services.reviews, f"{seeded.base}/reviews/{queue}"
    page = browser.get(path).text
    first = reviews.next_item(seeded.caller, queue)
    assert first is not None
    assert "Is it &lt;b&gt;right&lt;/b&gt;?" in page
    assert "version hidden" in page
    assert "MiniLM" not in page.split("answer", 1)[0]
    sent = browser.post(f"{path}/label", data={"item": first.item_id, "label": "fail", "comment": "no"})
    assert sent.status_code == 303
    assert f'value="{first.item_id}"' not in browser.get(path).text
    second = reviews.next_item(seeded.caller, queue)
    assert second is not None
    assert browser.post(f"{path}/label", data={"item": second.item_id, "label": ""}).status_code == 303
    undone = browser.post(f"{path}/undo")
    assert undone.headers["location"].endswith(f"?item={second.item_id}")
    assert "yours 1" in browser.get(path).text
    done = reviews.items(seeded.caller, queue, ItemFilter.DONE).items
    assert [(item.item_id, item.labels[0].label, item.labels[0].comment) for item in done] == [
        (first.item_id, "fail", "no")
    ]
    shown = browser.get(f"{path}?item={first.item_id}").text
    assert 'value="fail" required data-key="2" checked' in shown
    assert "What judges said" in shown


def test_a_viewer_reads_a_queue_and_gets_no_form(seeded: Seeded, queue: str) -> None:
    viewer = seeded.world.platform.client(Role.VIEWER, project=PROJECT)
    viewer.headers.update(HTML)
    path = f"{seeded.base}/reviews/{queue}"
    assert "data-review" not in viewer.get(path).text
    assert viewer.post(f"{path}/label", data={"item": "x", "label": "pass"}).status_code == 403


def test_a_calibration_begins_with_its_answer_and_shows_the_matrix(seeded: Seeded, browser: httpx.Client) -> None:
    page = browser.get(seeded.base + seeded.calibration).text
    verdict = page.index("data-verdict")
    assert verdict < page.index("Judge against people") < page.index("Agreement over time")
    assert "people with" not in page[:verdict]
    assert "κ = " in page[verdict : verdict + 200]
    assert page.count('<th scope="row">people: ') == 2
    assert "people would pass" in page


def test_judges_and_rules_are_listed_with_what_is_not_known_as_a_dash(seeded: Seeded, browser: httpx.Client) -> None:
    page = browser.get(f"{seeded.base}/judges").text
    assert "live answers" in page
    assert "status:ok" in page
    assert "hit@1" in page
