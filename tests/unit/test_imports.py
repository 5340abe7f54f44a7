"""What importing costs: a user's application must not load what it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"ray", "torch", "mlflow", "sqlalchemy", "fastapi", "starlette", "pandas", "pyarrow", "transformers", "numpy"}


LIGHT = """
aiplatform aiplatform.client.http aiplatform.tracing.sdk aiplatform.tracing.api aiplatform.eval.api aiplatform.jobs.api
aiplatform.registry.datasets_api aiplatform.registry.models_api aiplatform.registry.experiments_api aiplatform.serve.api
aiplatform.train.api aiplatform.cli.main aiplatform.cli.traces aiplatform.cli.evaluations aiplatform.cli.keys
aiplatform.eval.pytest_plugin
"""


@pytest.mark.parametrize("module", LIGHT.split())
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_exported_name_is_there() -> None:
    import aiplatform

    assert [name for name in aiplatform.__all__ if getattr(aiplatform, name, None) is None] == []
    assert sorted(aiplatform.__all__, key=str.lower) == sorted(set(aiplatform.__all__), key=str.lower)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import aiplatform

    with pytest.raises(AttributeError, match="nonsense"):
        _ = aiplatform.nonsense
