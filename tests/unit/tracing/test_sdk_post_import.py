"""Hooks run once for each time that a module is loaded, and break no import."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aiplatform.tracing.sdk.post_import import when_imported


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"hooked_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(f"from {name} import inner\nvalue = inner.value\n")
    (tmp_path / name / "inner.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[loaded]


def test_a_hook_runs_after_the_import_and_after_each_reload(package: str) -> None:
    seen: list[tuple[str, int]] = []

    def note(module: ModuleType) -> None:
        seen.append((module.__name__, module.value))
        module.value = 2  # type: ignore[attr-defined]

    when_imported(f"{package}.inner", note)
    when_imported(package, note)
    assert seen == []
    # The inner module is loaded while its package is, whose own hook sees what the inner one's did.
    module = importlib.import_module(f"{package}.inner")
    assert seen == [(f"{package}.inner", 1), (package, 2)]
    importlib.reload(module)
    assert seen[2:] == [(f"{package}.inner", 1)]
    assert module.value == 2


def test_a_hook_for_what_is_loaded_runs_at_once_and_again_after_a_reload(package: str) -> None:
    module = importlib.import_module(package)
    seen: list[ModuleType] = []
    when_imported(package, seen.append)
    assert seen == [module]
    importlib.reload(module)
    assert seen == [module, module]


def test_a_hook_that_fails_breaks_no_import_and_no_other_hook(package: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[ModuleType] = []
    when_imported(package, lambda module: module.missing)
    when_imported(package, seen.append)
    with caplog.at_level(logging.WARNING):
        module = importlib.import_module(package)
    assert seen == [module]
    assert package in caplog.text
