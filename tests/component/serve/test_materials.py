"""What a replica fetches over HTTP before its model is made."""

import io
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.registry import models_api
from aiplatform.registry.model import Lineage, ModelVersion
from aiplatform.serve.materials import Materials
from aiplatform.serve.model import VersionRef


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


def test_modules_are_fetched_and_unpacked_where_they_are_not_yet(tmp_path: Path) -> None:
    artifacts = Artifacts(**{"a.zip": packed(**{"pkg/mod.py": "X = 1"})})
    first, again = (materials(artifacts, tmp_path).code("code/a.zip") for _ in range(2))
    assert first == again
    assert (first / "pkg" / "mod.py").read_text() == "X = 1"
    artifacts.artifacts["a.zip"] = packed(**{"pkg/mod.py": "X = 2"})
    assert (materials(artifacts, tmp_path).code("code/a.zip") / "pkg" / "mod.py").read_text() == "X = 2"


def test_a_versions_files_are_fetched_once_until_the_platform_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = ModelVersion(
        name="qa", version=3, aliases=(), description="", source="mlflow-artifacts:/models/qa/k", loader=None,
        signature=None, metrics={}, tags={}, lineage=Lineage(), created_ns=1, created_by="user:lin",
    )  # fmt: skip
    fetched: list[str] = []

    def download(found: ModelVersion, folder: Path, *, client: Client) -> Path:
        fetched.append(found.source)
        (folder / "weights").write_text(str(found.created_ns))
        return folder

    monkeypatch.setattr(models_api, "get", lambda reference, client: version)
    monkeypatch.setattr(models_api, "download", download)
    ref = VersionRef(name="qa", version=3)
    for _ in range(2):
        assert (materials(Artifacts(), tmp_path).version(ref) / "weights").read_text() == "1"
    assert len(fetched) == 1
    version = replace(version, created_ns=2)
    assert (materials(Artifacts(), tmp_path).version(ref) / "weights").read_text() == "2"


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
