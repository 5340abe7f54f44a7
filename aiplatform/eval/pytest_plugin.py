"""Evaluations inside pytest: the fixture `evaluation`, which runs one and fails the test by a gate.

    def test_answers_are_right(evaluation):
        run = evaluation("faq@3", answer, scorers=["exact_match"])
        run.must("exact_match >= 0.9 and p95_latency <= 2s")

Tests that ask for it carry the marker `evaluation`: `pytest -m "not evaluation"` leaves them out. Nothing of the
platform is loaded before the first of them runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from aiplatform.eval.api import EvaluationHandle

FIXTURE: Final = "evaluation"
MARKER: Final = "evaluation"
_RUNS: Final = pytest.StashKey[list["EvaluationHandle"]]()


class Evaluations:
    """Runs evaluations for one test."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config = request.config
        self._module = request.module
        self._test_name = request.node.name

    def __call__(
        self, data: Any, model: Any = None, *, scorers: Sequence[Any], name: str | None = None, **options: Any
    ) -> EvaluationHandle:
        """Evaluate, and return the completed run, whose `must(gate)` fails the test.

        Args:
            data: As in `aip.evaluations.run`.
            model: Likewise.
            scorers: Likewise.
            name: What people call the run; by default the test's name.
            options: Whatever else `aip.evaluations.run` takes.
        """
        from aiplatform.eval import api  # noqa: PLC0415 - nothing is loaded before it is used

        with self._taken_along([model, *scorers]):
            run = api.run(data, model, scorers=scorers, name=name or self._test_name, **options)
        self._config.stash.setdefault(_RUNS, []).append(run)
        return run

    @contextmanager
    def _taken_along(self, used: Iterable[Any]) -> Iterator[None]:
        """Send what the tests hold to Ray's workers as it is: they could not import files that pytest has found."""
        from ray import cloudpickle

        own = [self._module, *(inspect.getmodule(getattr(each, "function", each)) for each in used)]
        modules = [module for module in dict.fromkeys(own) if module is not None and self._is_below_root(module)]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)

    def _is_below_root(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        is_installed = file is not None and "site-packages" in Path(file).parts
        return file is not None and not is_installed and Path(file).is_relative_to(self._config.rootpath)

    def find(self, name: str) -> EvaluationHandle:
        """The run of an id, or the newest completed run of a name: a baseline to compare with."""
        from aiplatform.eval import api  # noqa: PLC0415 - as above

        return api.find(name)


@pytest.fixture(name=FIXTURE)
def _evaluation(request: pytest.FixtureRequest) -> Evaluations:
    """Evaluate inside a test: `run = evaluation(data, model, scorers=[...])`, then `run.must(gate)`."""
    return Evaluations(request)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{MARKER}: evaluates a model on the platform (set by the fixture of that name)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that evaluates, before `-m` chooses."""
    for item in items:
        if FIXTURE in getattr(item, "fixturenames", ()) and item.get_closest_marker(MARKER) is None:
            item.add_marker(MARKER)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the runs are."""
    runs = config.stash.get(_RUNS, [])
    if runs:
        terminalreporter.section("evaluations")
        for run in runs:
            primary = run.run.primary_metric
            shown = f"{primary.name} {primary.value:.4g}" if primary is not None and primary.value is not None else ""
            terminalreporter.write_line(f"{run.name}  {shown}  {run.url}")
