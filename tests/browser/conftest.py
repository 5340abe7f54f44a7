"""Chromium in front of the seeded platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from aiplatform.tenancy.permissions import Role
from tests.component.ui.conftest import PROJECT, Seeded, make_world, mlflow_url, seeded

__all__ = ["make_world", "mlflow_url", "seeded"]

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 60_000
"""Longest wait for what a page does by itself: other tests may keep the machine busy meanwhile."""

WATCH = """window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.sample}`));"""


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright keeps an event loop running in this thread, which no test outside this folder may meet."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here: install Debian's `chromium`")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def address(seeded: Seeded) -> Iterator[str]:
    """Where the seeded platform listens."""
    with seeded.world.platform.listen() as url:
        yield url


@dataclass
class Eyes:
    """A page, and everything that went wrong on it."""

    page: Page
    base: str
    problems: list[str] = field(default_factory=list)

    def go(self, path: str = "") -> Page:
        self.page.goto(self.base + path, wait_until="load")
        return self.page

    def seen(self) -> list[str]:
        """Console errors, failed requests, and violations of the content policy."""
        return [*self.problems, *self.page.evaluate("() => window.violations || []")]


@pytest.fixture
def look(chromium: Browser, seeded: Seeded, address: str) -> Iterator[Callable[..., Eyes]]:
    """A function that opens a browser context, signed in unless told otherwise."""
    contexts: list[BrowserContext] = []
    key = seeded.world.platform.key(Role.ADMIN, project=PROJECT)

    def open_eyes(
        *, signed_in: bool = True, base: str | None = None, url: str = address, key: str = key, **options: object
    ) -> Eyes:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        eyes = Eyes(page=page, base=f"{url}/default/{PROJECT}" if base is None else base)
        page.on("console", lambda message: eyes.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: eyes.problems.append(str(error)))
        page.on(
            "response",
            lambda answer: eyes.problems.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        if signed_in:
            page.goto(f"{url}/sign-in")
            page.fill("input[name=key]", key)
            page.click("main button:not([name])")
            page.wait_for_url("**/default/**")
        return eyes

    yield open_eyes
    for context in contexts:
        context.close()
