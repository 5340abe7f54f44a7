"""What templates and scripts must not hold, as the content policy would break it or let it through."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from aiplatform.ui.assets import STATIC_FOLDER, Assets
from aiplatform.ui.rendering import HTMX_CONFIG, TEMPLATE_FOLDER

TEMPLATES = sorted(TEMPLATE_FOLDER.rglob("*.html"))
SCRIPTS = sorted((STATIC_FOLDER / "js").glob("*.js"))
VENDOR = STATIC_FOLDER / "vendor"

BANNED = {
    r"\sstyle\s*=": "a style attribute",
    r"<style\b": "a style element",
    r"\son[a-z]+\s*=": "an inline handler",
    r"\bhx-on\b": "hx-on",
    r"hx-vals\s*=\s*[\"']js:": "computed values",
    r"hx-trigger\s*=\s*[\"'][^\"']*\[": "a trigger filter, which fails open without eval",
    r"javascript:": "a javascript: address",
    r"\|\s*safe\b(?!\s*%\})": "unescaped text",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_templates_hold_nothing_that_the_policy_forbids(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert [name for pattern, name in BANNED.items() if re.search(pattern, text)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_scripts_come_from_files_except_data_blocks(template: Path) -> None:
    for tag in re.findall(r"<script\b[^>]*>", template.read_text(encoding="utf-8")):
        assert "src=" in tag or 'type="application/json"' in tag


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_neither_eval_nor_write_style_attributes(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"\beval\(|new Function|setAttribute\(\s*[\"']style|insertAdjacentHTML|document\.write", text)


def test_what_is_vendored_is_what_was_published() -> None:
    known = json.loads((VENDOR / "hashes.json").read_text(encoding="utf-8"))
    found = {path.name for path in VENDOR.iterdir()} - {"hashes.json", "LICENSES.txt"}
    assert set(known) == found
    for name, expected in known.items():
        digest = hashlib.sha384((VENDOR / name).read_bytes()).digest()
        assert expected == f"sha384-{base64.b64encode(digest).decode()}", name


def test_every_vendored_file_has_its_licence() -> None:
    licences = (VENDOR / "LICENSES.txt").read_text(encoding="utf-8")
    for name in ("htmx 2.0.11", "Apache ECharts 6.1.0", "Lucide"):
        assert name in licences


def test_the_configuration_of_htmx_is_the_one_that_held() -> None:
    config = json.loads(HTMX_CONFIG)
    assert config["allowEval"] is False
    assert config["allowScriptTags"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["historyCacheSize"] == 0
    assert config["responseHandling"][-1]["target"] == "#alert"


def test_every_icon_that_is_named_exists() -> None:
    known = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "icons.svg").read_text(encoding="utf-8")))
    named: set[str] = set()
    for template in TEMPLATES:
        named |= set(re.findall(r"m?\.?icon\('([a-z0-9-]+)'", template.read_text(encoding="utf-8")))
        named |= set(re.findall(r"m\.(?:empty|state)\('[a-z]*', '([a-z0-9-]+)'", template.read_text(encoding="utf-8")))
    source = "".join(path.read_text(encoding="utf-8") for path in TEMPLATE_FOLDER.parent.rglob("*.py"))
    named |= set(re.findall(r'icon="([a-z0-9-]+)"', source))
    assert named - known == set()
    texts = source + "".join(template.read_text(encoding="utf-8") for template in TEMPLATES)
    assert {icon for icon in known if not re.search(rf"[\"']{icon}[\"']", texts)} == set(), "not used"


def test_addresses_of_static_files_change_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.js").write_text("2")
    before = Assets(tmp_path).url("a.js")
    assert Assets(tmp_path).url("a.js") == before
    (tmp_path / "b.js").write_text("3")
    assert Assets(tmp_path).url("a.js") != before
    with pytest.raises(KeyError):
        Assets(tmp_path).url("c.js")


def test_every_colour_that_a_stylesheet_names_is_declared() -> None:
    sheets = "".join(path.read_text(encoding="utf-8") for path in STATIC_FOLDER.glob("*.css"))
    used = set(re.findall(r"var\((--[a-z0-9-]+)", sheets))
    assert used - set(re.findall(r"(--[a-z0-9-]+)\s*:", sheets)) == set()
