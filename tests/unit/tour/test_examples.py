"""The examples say the same in both languages, and name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiplatform.eval.spec import load_spec
from aiplatform.tour.assistant import NAME

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def commands(page: Path) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", ["docs-assistant", "digits"])
def test_both_languages_show_the_same_commands(name: str) -> None:
    english = commands(EXAMPLES / name / "README.md")
    assert english
    assert commands(EXAMPLES / name / "README.zh-CN.md") == english


def test_every_file_of_the_example_is_explained() -> None:
    text = (EXAMPLES / "docs-assistant" / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in (EXAMPLES / "docs-assistant").iterdir() if path.suffix in {".py", ".yaml"}}
    assert [name for name in sorted(files) if name not in text] == []


def test_its_specifications_are_read() -> None:
    words, deployed = (load_spec(EXAMPLES / "docs-assistant" / name) for name in ("words.yaml", "assistant.yaml"))
    assert words.model is not None
    assert words.model.function == "words:Words"
    assert deployed.model is not None
    assert deployed.model.endpoint == NAME
    assert words.data == deployed.data
