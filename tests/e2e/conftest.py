"""One whole platform for this folder, brought up by `aiplatform up` in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aiplatform.testing.platform import RunningPlatform, running_platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A running platform that the tests of this folder share. Leave it as you found it: use a project of your own."""
    with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running
