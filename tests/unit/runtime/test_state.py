"""What is remembered of a Ray between two commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiplatform.runtime import state
from aiplatform.runtime.model import RayHome, RayState, ray_home


@pytest.fixture
def home(tmp_path: Path) -> RayHome:
    return ray_home(tmp_path / "data", short_dir=Path("/tmp"))


def _state(home: RayHome) -> RayState:
    return RayState(
        mark=home.mark,
        temp_dir=str(home.temp_dir),
        port_base=20_000,
        http_host="127.0.0.1",
        http_port=8000,
        fingerprint="f",
        version="0.1.0",
        started_ns=7,
    )


def test_state_comes_back_as_it_was_and_goes(home: RayHome) -> None:
    assert state.load(home) is None
    state.save(home, _state(home))
    assert state.load(home) == _state(home)
    state.forget(home)
    state.forget(home)
    assert state.load(home) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mark": "m"}', '{"of": "another version"}'])
def test_what_cannot_be_understood_is_nothing(home: RayHome, text: str) -> None:
    state.write_private(home.state_file, text)
    assert state.load(home) is None


def test_private_files_are_the_owners_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    state.write_private(file, "one")
    state.write_private(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_the_token_stays_the_same(home: RayHome) -> None:
    token = state.ensure_token(home)
    assert len(token) == 64
    assert state.ensure_token(home) == token
