"""WCAG 2.2 AA by axe on every page, in both themes and both languages, and what axe does not see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import Eyes
from tests.component.ui.conftest import Seeded

pytestmark = pytest.mark.browser

AXE = next(Path(__file__).parent.glob("assets/axe-*.min.js"))
RUN = """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })).violations
    .map((found) => [found.id, found.nodes.length, found.nodes[0].html.slice(0, 160)])"""


@pytest.mark.parametrize(("scheme", "locale", "width"), [("light", "en-US", 1440), ("dark", "zh-CN", 390)])
def test_axe_finds_nothing(look: Callable[..., Eyes], seeded: Seeded, scheme: str, locale: str, width: int) -> None:
    # The page's own policy would not let axe in; its effect is tested elsewhere.
    eyes = look(bypass_csp=True, color_scheme=scheme, locale=locale, viewport={"width": width, "height": 900})
    for path in seeded.templates:
        page = eyes.go(path)
        page.add_script_tag(path=str(AXE))
        assert page.evaluate(RUN) == [], path


def test_the_sign_in_and_error_pages_pass_too(look: Callable[..., Eyes], address: str) -> None:
    eyes = look(signed_in=False, bypass_csp=True, base=address)
    for path in ("/sign-in", "/sign-in?code=wrong"):
        page = eyes.go(path)
        page.add_script_tag(path=str(AXE))
        assert page.evaluate(RUN) == [], path
    signed_in = look(bypass_csp=True, viewport={"width": 390, "height": 844})
    for path in ("/traces/" + "0" * 32, "/traces?q=duraton>2s", "/traces?q=status:running+nothing"):
        page = signed_in.go(path)
        page.add_script_tag(path=str(AXE))
        assert page.evaluate(RUN) == [], path


WITHOUT_HEADS = "document.querySelectorAll('table:not(:has(th))').length"
WITHOUT_LABELS = """[...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
    .filter((e) => !e.labels?.length && !e.ariaLabel).map((e) => e.outerHTML)"""
TOO_SMALL = """[...document.querySelectorAll("button, summary, input:not([type=hidden]), select")]
    .filter((e) => e.offsetParent !== null).map((e) => /checkbox|radio/.test(e.type) ? e.closest("label") ?? e : e)
    .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 80)])
    .filter(([box]) => box.width > 0 && (box.width < 24 || box.height < 23.9)).map(([, html]) => html)"""
TOO_WIDE = "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)"


def test_a_narrow_window_holds_every_page_and_what_axe_does_not_see_is_right(
    look: Callable[..., Eyes], seeded: Seeded
) -> None:
    eyes = look(viewport={"width": 390, "height": 844})
    for path in seeded.templates:
        page = eyes.go(path)
        found = {check: page.evaluate(check) for check in (WITHOUT_HEADS, WITHOUT_LABELS, TOO_SMALL, TOO_WIDE)}
        assert {check: wrong for check, wrong in found.items() if wrong} == {}, path
