"""Folders of code as zips."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from aiplatform.core.errors import InvalidError, TooLargeError
from aiplatform.jobs import archive
from aiplatform.jobs.archive import zip_folder


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return opened.namelist()


def test_code_is_taken_and_what_belongs_to_the_machine_is_left(tmp_path: Path) -> None:
    for file in ("train.py", "pkg/model.py", ".venv/bin/python", "pkg/__pycache__/x.pyc", ".git/HEAD", ".env", "a.pyc"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert names(zip_folder(tmp_path)) == ["pkg/model.py", "train.py"]


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = zip_folder(tmp_path)
    os.utime(tmp_path / "a.py", (0, 0))
    assert zip_folder(tmp_path) == first


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="nowhere"):
        zip_folder(tmp_path / "nowhere")


def test_more_than_ray_takes_is_refused_before_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1024)
    (tmp_path / "data.bin").write_bytes(b"x" * 2000)
    with pytest.raises(TooLargeError, match=str(tmp_path)):
        zip_folder(tmp_path)
