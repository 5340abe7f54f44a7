"""One suite for the local folder and for a store behind fsspec (its memory file system)."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiplatform.core.errors import ConfigError, ConflictError, InvalidError, NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore, FileInfo

OURS = Scope(tenant_id="ours", project_id="docs")
THEIRS = Scope(tenant_id="theirs", project_id="docs")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "local":
        yield ArtifactStore((tmp_path / "artifacts root").as_uri())
        return
    yield ArtifactStore(f"memory://{tmp_path.name}/root")
    fsspec.filesystem("memory").store.clear()


def test_what_is_stored_is_read_back_with_its_hash(store: ArtifactStore) -> None:
    stored = store.store(OURS, "报告/rows.parquet", [b"ab", b"", b"c"])
    assert (stored.size_bytes, stored.sha256) == (3, hashlib.sha256(b"abc").hexdigest())
    assert store.read(OURS, "报告/rows.parquet") == b"abc"
    with store.open(OURS, "报告/rows.parquet") as file:
        assert file.seek(0, io.SEEK_END) == 3
        file.seek(1)
        assert file.read() == b"bc"


def test_a_later_file_takes_the_place_of_an_older(store: ArtifactStore) -> None:
    assert store.write(OURS, "a", [b"old content"]) == 11
    assert store.write(OURS, "a", [b"new"]) == 3
    assert store.read(OURS, "a") == b"new"


def test_a_write_that_breaks_off_leaves_the_older_file(store: ArtifactStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    store.write(OURS, "a", [b"whole"])
    with pytest.raises(Exception, match=r"."):
        store.write(OURS, "a", broken())
    with pytest.raises(Exception, match=r"."):
        store.write(OURS, "b", broken())
    assert store.read(OURS, "a") == b"whole"
    assert [info.path for info in store.list(OURS)] == ["a"]
    assert list(tmp_path.rglob("aip-*")) == []


def test_a_tenants_files_are_nobody_elses(store: ArtifactStore) -> None:
    store.write(OURS, "a/b", [b"1"])
    store.write(OURS, "a/c/d", [b"22"])
    store.write(THEIRS, "a/b", [b"theirs"])
    expected = [FileInfo(path="a/b", size_bytes=1), FileInfo(path="a/c/d", size_bytes=2)]
    assert list(store.list(OURS)) == list(store.list(OURS, "a")) == expected
    assert list(store.list(OURS, "nowhere")) == []
    store.delete(OURS, "a/b")
    store.delete(OURS, "a/b")
    with pytest.raises(NotFoundError):
        store.read(OURS, "a/b")
    store.delete_scope(Scope(tenant_id="ours"))
    store.delete_scope(Scope(tenant_id="ours"))
    assert list(store.list(OURS)) == []
    assert store.read(THEIRS, "a/b") == b"theirs"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a/./b",
        "a//b",
        "a/",
        "a\\..\\b",
        "a\n",
        "x" * 300,
        "é/" * 600,
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(store: ArtifactStore, path: str) -> None:
    for act in (store.read, store.delete, lambda scope, path: store.write(scope, path, [b"x"])):
        with pytest.raises(InvalidError):
            act(OURS, path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(alphabet=st.sampled_from("./\\a\0é~%:")))
def test_no_path_leaves_the_projects_folder(tmp_path: Path, path: str) -> None:
    store = ArtifactStore(str(tmp_path / "root"))
    try:
        store.write(OURS, path, [b"x"])
    except (InvalidError, ConflictError):
        return
    inside = tmp_path / "root" / "ours" / "docs"
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert all(file.is_relative_to(inside) for file in written)


def test_a_file_in_the_way_of_a_folder_is_a_conflict(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    store.write(OURS, "a", [b"x"])
    for path in ("a/b", "c"):
        store.write(OURS, "c/d", [b"x"])
        with pytest.raises(ConflictError):
            store.write(OURS, path, [b"x"])


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "root"))
    store.write(OURS, "a", [b"x"])
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (tmp_path / "root" / "ours" / "docs" / "link").symlink_to(secret)
    with pytest.raises(Exception, match=r"."):
        store.read(OURS, "link")
    assert [info.path for info in store.list(OURS)] == ["a"]


def test_only_the_owner_reads_the_folder(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "root"))
    store.write(OURS, "a", [b"x"])
    assert (tmp_path / "root").stat().st_mode & 0o077 == 0
    assert (tmp_path / "root" / "ours" / "docs" / "a").stat().st_mode & 0o077 == 0


def test_what_a_dead_writer_left_is_swept_after_a_day(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    for name, age_s in (("aip-old", 100_000), ("aip-new", 10)):
        file = tmp_path / ".incoming" / name
        file.touch()
        os.utime(file, (file.stat().st_mtime - age_s,) * 2)
    assert store.sweep() == 1
    assert [file.name for file in (tmp_path / ".incoming").iterdir()] == ["aip-new"]


def test_many_writers_of_one_path_leave_one_whole_file(store: ArtifactStore) -> None:
    contents = [bytes([65 + n]) * 100_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: store.write(OURS, "a", [content]), contents))
    assert store.read(OURS, "a") in contents


def test_a_scope_without_a_project_has_no_files_of_its_own(store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="project"):
        store.write(Scope(tenant_id="ours"), "a", [b"x"])


def test_a_store_that_cannot_be_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for url in (str(tmp_path / "file" / "root"), "nosuchstore://bucket/x"):
        with pytest.raises(ConfigError):
            ArtifactStore(url)
