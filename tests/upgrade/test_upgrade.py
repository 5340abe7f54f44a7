"""Data made by released versions are read by this one: every kind of thing, through every application.

Each archive holds a data folder and what its own version answered. This version migrates the folder and is asked the
same: whatever was there must be there still. What is new in an answer is no loss.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from aiplatform.core.settings import load
from aiplatform.gateway.door_app import build_door
from aiplatform.gateway.platform_app import build_platform
from aiplatform.storage.database import Database
from aiplatform.storage.migrate import check_schema, migrate
from aiplatform.testing.ending import tied
from aiplatform.testing.otlp import export_request, make_span
from tests.component.gateway.house import Applications, HouseRooms
from tests.upgrade.paths import FILES, PAGES, PATHS, missing, stays

ARCHIVES = sorted(Path(__file__).parent.glob("*.tar.xz"))
MLFLOW_PROGRAM = """
import uvicorn
from aiplatform.core.settings import load
from aiplatform.gateway.mlflow_app import build_mlflow
from aiplatform.gateway.services import Services
config = uvicorn.Config(build_mlflow(Services(load().settings)), host="127.0.0.1", port=0, log_level="warning")
sockets = [config.bind_socket()]
print(sockets[0].getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=sockets)
"""


@dataclass(frozen=True)
class Upgraded:
    """This version on an older one's data."""

    applications: Applications
    manifest: dict[str, Any]

    @property
    def ids(self) -> dict[str, str]:
        found: dict[str, str] = self.manifest["ids"]
        return found

    def key(self, name: str) -> str:
        return str(self.manifest["keys"][name])

    def told(self, who: str) -> dict[str, Any]:
        found: dict[str, Any] = self.manifest["answers"][who]
        return found


@pytest.fixture(scope="module", params=ARCHIVES, ids=[path.name for path in ARCHIVES])
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    folder = tmp_path_factory.mktemp("data")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    variables = {"AIPLATFORM_SETTINGS": str(folder / "aiplatform.toml"), "AIPLATFORM_DATA_DIR": str(folder)}
    settings = load(environment=variables).settings
    database = Database(settings.database_url)
    migrate(database)
    check_schema(database)
    database.close()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with _mlflow(variables, folder) as mlflow_url, start_blocking_portal() as portal:
        rooms = HouseRooms(settings, mlflow_url)
        applications = Applications(
            rooms=rooms, platform=build_platform(rooms), door=build_door(rooms), mlflow_url=mlflow_url, portal=portal
        )
        yield Upgraded(applications=applications, manifest=manifest)
        rooms.close()


@contextmanager
def _mlflow(variables: dict[str, str], folder: Path) -> Iterator[str]:
    command = [sys.executable, "-c", MLFLOW_PROGRAM]
    with (
        (folder / "mlflow.log").open("w") as log,
        subprocess.Popen(
            tied(command), env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=log, text=True
        ) as run,
    ):
        try:
            assert run.stdout is not None
            port = run.stdout.readline().strip()
            assert port, (folder / "mlflow.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            run.terminate()


def test_there_is_an_archive() -> None:
    assert ARCHIVES
    assert sum(path.stat().st_size for path in ARCHIVES) < len(ARCHIVES) * 1_000_000


@pytest.mark.parametrize("path", PATHS)
def test_everything_that_was_answered_is_answered_still(upgraded: Upgraded, path: str) -> None:
    old = upgraded.told("owner").get(path)
    if old is None:
        return  # asked of later versions only
    with upgraded.applications.client(upgraded.key("owner")) as http:
        answer = http.get(upgraded.applications.url(path.format(**upgraded.ids)))
    assert answer.status_code == 200, answer.text
    assert missing(old, stays(answer.json())) == []


@pytest.mark.parametrize("path", FILES)
def test_files_are_the_same(upgraded: Upgraded, path: str) -> None:
    with upgraded.applications.client(upgraded.key("owner")) as http:
        answer = http.get(upgraded.applications.url(path.format(**upgraded.ids)))
    assert answer.text == upgraded.told("owner")[path]


@pytest.mark.parametrize("path", PAGES)
def test_pages_show_it(upgraded: Upgraded, path: str) -> None:
    with upgraded.applications.client(upgraded.key("owner")) as http:
        answer = http.get(f"/default/default{path.format(**upgraded.ids)}", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] not in answer.text, "a part of the page could not be read"


def test_a_second_tenant_has_its_own_and_nothing_else(upgraded: Upgraded) -> None:
    with upgraded.applications.client(upgraded.key("second")) as http:
        for path, old in upgraded.told("second").items():
            assert missing(old, stays(http.get(path).json())) == []
        # Of one trace id that both have, it sees its own trace; of the other's, nothing.
        assert http.get("/api/v1/traces/{trace_id}".format(**upgraded.ids)).status_code == 404


def test_keys_open_what_they_opened(upgraded: Upgraded) -> None:
    statuses = {}
    for name in ("owner", "viewer", "writer", "revoked"):
        with upgraded.applications.client(upgraded.key(name), project="orchard") as http:
            body = export_request([make_span(1, trace=50)]).SerializeToString()
            sent = http.post("/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
            statuses[name] = (http.get("/api/v1/traces").status_code, sent.status_code)
    assert statuses == {"owner": (200, 200), "viewer": (200, 403), "writer": (403, 200), "revoked": (401, 401)}
