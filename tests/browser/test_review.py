"""A person judges with the keyboard alone, as in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from aiplatform.eval.reviewing.model import ItemFilter, NewQueue
from tests.browser.conftest import Eyes
from tests.component.ui.conftest import Seeded

pytestmark = pytest.mark.browser


@pytest.fixture
def queue(seeded: Seeded) -> Iterator[str]:
    """A queue of this test's own, with three answers."""
    reviews = seeded.world.services.reviews
    made = reviews.create(seeded.caller, NewQueue(name="by keys", rubric="Is it right?")).queue_id
    reviews.fill_from_run(seeded.caller, made, seeded.comparison.baseline.run_id, limit=3)
    yield made
    reviews.set_open(seeded.caller, made, is_open=False)


def test_numbers_choose_and_ctrl_enter_saves_and_u_takes_back(
    look: Callable[..., Eyes], seeded: Seeded, queue: str
) -> None:
    reviews = seeded.world.services.reviews
    items = [item.item_id for item in reviews.items(seeded.caller, queue).items]
    eyes = look()
    page = eyes.go(f"/reviews/{queue}")
    shown = page.locator("[data-review] input[name=item]")
    expect(shown).to_have_value(items[0])
    page.keyboard.press("2")
    expect(page.locator("input[value=fail]")).to_be_checked()
    page.get_by_label("Why?").fill("1 and s and u are typed here")
    page.keyboard.press("Control+Enter")
    expect(shown).to_have_value(items[1])
    page.keyboard.press("s")
    expect(shown).to_have_value(items[2])
    page.keyboard.press("u")
    expect(shown).to_have_value(items[1])
    page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    expect(shown).to_have_value(items[2])
    done = reviews.items(seeded.caller, queue, ItemFilter.DONE).items
    assert [(item.item_id, item.labels[0].label, item.labels[0].comment) for item in done] == [
        (items[0], "fail", "1 and s and u are typed here"),
        (items[1], "pass", ""),
    ]
    assert eyes.seen() == []
