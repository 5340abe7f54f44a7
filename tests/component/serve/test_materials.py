"""What a replica fetches over HTTP before its model is made."""

import io
import threading
import zipfile
from pathlib import Path

import httpx
import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.serve.materials import Materials


def packed(**files: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return memory.getvalue()


class Artifacts:
    """Answers the artifact route from memory, and counts."""

    def __init__(self, **artifacts: bytes) -> None:
        self.artifacts = artifacts
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        content = self.artifacts.get(request.url.path.rsplit("/", 1)[-1])
        if content is None:
            return httpx.Response(404, json={"error": {"code": "not_found", "message": "There is no such artifact."}})
        return httpx.Response(200, content=content)


def materials(artifacts: Artifacts, folder: Path) -> Materials:
    credentials = Credentials(url="http://platform", project_id="default", key="k")
    return Materials("default", folder=folder, client=Client(credentials, transport=httpx.MockTransport(artifacts)))


def test_modules_are_fetched_once_and_unpacked(tmp_path: Path) -> None:
    artifacts = Artifacts(**{"a.zip": packed(**{"pkg/mod.py": "X = 1"})})
    for _ in range(2):
        folder = materials(artifacts, tmp_path).code("code/a.zip")
        assert (folder / "pkg" / "mod.py").read_text() == "X = 1"
    assert artifacts.asked == ["/api/v1/artifacts/code/a.zip"]


def test_many_replicas_that_fetch_at_once_end_with_one_folder(tmp_path: Path) -> None:
    artifacts = Artifacts(**{"a.zip": packed(**{"mod.py": "X = 1"})})
    fetchers = [threading.Thread(target=materials(artifacts, tmp_path).code, args=["code/a.zip"]) for _ in range(4)]
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join()
    assert len(list(tmp_path.rglob("mod.py"))) == 1


@pytest.mark.parametrize("content", [b"no zip", packed(**{"../../evil.py": "X"}), packed(**{"/etc/evil.py": "X"})])
def test_a_zip_that_reaches_out_or_is_none_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidError):
        materials(Artifacts(**{"a.zip": content}), tmp_path / "in").code("code/a.zip")
    assert not list(tmp_path.rglob("*.py"))


def test_an_artifact_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such artifact"):
        materials(Artifacts(), tmp_path).code("code/a.zip")
