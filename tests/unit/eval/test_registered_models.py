"""Registered versions as they lie in a folder: MLflow's flavours, and classes of their own."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.eval.registered_models import _own_form, load

CODE = """
import asyncio
from pathlib import Path


class Chat:
    def __init__(self, model_path):
        self.word = (Path(model_path) / "word.txt").read_text()

    def chat(self, messages):
        yield self.word
        yield {"content": messages[-1]["content"]}


class Async:
    def __init__(self, model_path):
        pass

    async def infer(self, inputs):
        await asyncio.sleep(0)
        return {"double": inputs["x"] * 2, "sum": inputs["x"].sum(axis=1)}


class Plain(Chat):
    chat = None

    def __call__(self, value):
        return self.word + value


class Nothing:
    def __init__(self, model_path):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own_model.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "word.txt").write_text("re: ", encoding="utf-8")
    before = [*sys.path]
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("own_model", None)


def answer(folder: Path, loader: str, value: Any) -> Any:
    function, batch = load(folder, loader)
    assert not batch

    async def called() -> Any:
        found = function(value)
        return await found if inspect.isawaitable(found) else found

    return asyncio.run(called())


@pytest.mark.parametrize(
    ("loader", "value", "expected"),
    [
        ("Chat", "why?", {"answer": "re: why?"}),
        ("Chat", [{"role": "user", "content": "how?"}], {"answer": "re: how?"}),
        ("Async", {"x": [1, 2]}, {"double": [2, 4], "sum": 3}),
        ("Plain", "a", "re: a"),
    ],
)
def test_a_version_with_a_loader_answers_as_its_deployment_would(
    folder: Path, loader: str, value: Any, expected: Any
) -> None:
    assert answer(folder, f"own_model:{loader}", value) == expected


@pytest.mark.parametrize(("loader", "told"), [("own_model:No", "No"), ("no_module:A", "no_module"), (None, "loader")])
def test_a_version_that_nothing_can_load_is_told(folder: Path, loader: str | None, told: str) -> None:
    with pytest.raises(InvalidError, match=told):
        load(folder, loader)
    with pytest.raises(InvalidError, match="no method"):
        load(folder, "own_model:Nothing")


@pytest.mark.filterwarnings("ignore")  # of MLflow about itself
def test_mlflow_flavours_take_a_whole_block(tmp_path: Path) -> None:
    import mlflow.pyfunc

    class Sums(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no types
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input.sum(axis=1)

    mlflow.pyfunc.save_model(str(tmp_path / "m"), python_model=Sums(), pip_requirements=[])
    function, batch = load(tmp_path / "m", None)
    assert batch
    assert function([{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == [3, 7]
    assert function([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]) == [6.0, 15.0]


def test_mlflows_own_addresses_name_the_same_versions() -> None:
    forms = {"models:/qa/3": "qa@3", "models:/qa@champion": "qa@champion", "qa@3": "qa@3", "qa": "qa"}
    assert {form: _own_form(form) for form in forms} == forms
