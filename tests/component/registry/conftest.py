"""One hosted MLflow for all tests of the registry: its first start makes and migrates some sixty tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.sealing import CallerSeal
from aiplatform.storage.database import Database
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.databases import copy_sqlite
from aiplatform.testing.ending import tied

SECRET = "of the tests"


@dataclass(frozen=True)
class HostedMlflow:
    """A running MLflow, and the platform whose keys open it."""

    url: str
    platform: PlatformUnderTest
    door: MlflowDoor


@pytest.fixture(scope="session")
def hosted(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedMlflow]:
    folder = tmp_path_factory.mktemp("hosted")
    database_url = copy_sqlite(sqlite_template, folder / "platform.db")
    command = [sys.executable, "-m", "tests.component.registry.mlflow_process", database_url, str(folder), SECRET]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(tied(command), stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, (folder / "log").read_text()
        url = f"http://127.0.0.1:{port}"
        door = MlflowDoor(url, CallerSeal(SECRET))
        database = Database(database_url)
        with PlatformUnderTest(database) as platform:
            yield HostedMlflow(url=url, platform=platform, door=door)
        door.close()
        database.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()
