"""The documentation says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from aiplatform.core.settings import Settings
from aiplatform.tracing.export_model import COLUMNS, SCHEMA_VERSION
from scripts import metrics_page, settings_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_settings_page_is_that_of_the_settings() -> None:
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, _, meaning in settings_page.rows(Settings) if len(meaning) < 20] == []


def test_the_page_of_metrics_is_that_of_the_registry() -> None:
    assert metrics_page.PAGES["en"].read_text(encoding="utf-8") == metrics_page.page("en")
    names = {
        locale: re.findall(r"^\| (`[^|]*) \|", metrics_page.page(locale), re.MULTILINE) for locale in metrics_page.PAGES
    }
    assert names["en"] == names["zh_CN"]
    shown = metrics_page.PAGES["zh_CN"].read_text(encoding="utf-8")
    assert all(f"\n| {name} |" in shown for name in names["en"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_are_python(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


def test_the_two_readmes_show_the_same_code() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    for language in ("bash", "python"):
        here, there = blocks(english, language), blocks(chinese, language)
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            assert without_words(one) == without_words(other)


def without_words(code: str) -> list[str]:
    """Lines of code without comments and without the texts that are translated."""
    lines = (
        re.sub(r"\s*#.*", "", re.sub(r'"[^"]*[\u4e00-\u9fff ?.][^"]*"', '"…"', line)).strip()
        for line in code.splitlines()
    )
    return [line for line in lines if line]


def test_every_room_stands_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {folder.parent.name for folder in (ROOT / "aiplatform").glob("*/__init__.py")} - {"testing"}
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []


def test_every_make_habit_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"\bmake ([a-z-]+)", page.read_text(encoding="utf-8"))) <= targets


@pytest.mark.parametrize("page", ["trace-export.md", "zh/trace-export.md"])
def test_every_column_of_an_export_is_explained(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for level, columns in COLUMNS.items():
        section = text.split(f"`{level}`", 1)[1]
        assert [column.name for column in columns if f"`{column.name}`" not in section] == []
    assert f"spans/{SCHEMA_VERSION}" in text
