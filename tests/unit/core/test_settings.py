"""Settings: who wins, what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiplatform.core.errors import ConfigError
from aiplatform.core.settings import load


def write(folder: Path, text: str) -> Path:
    file = folder / "aiplatform.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\npublic_url = 'http://file'\n")
    loaded = load(
        file=file,
        environment={"AIPLATFORM_SERVER__PORT": "2", "AIPLATFORM_SERVER__HOST": "127.0.0.3"},
        flags={"server.port": 3, "server.host": None},
    )
    server = loaded.settings.server
    assert (server.port, server.host, server.public_url) == (3, "127.0.0.3", "http://file")
    assert loaded.sources == {
        "server.port": "flag", "server.host": "AIPLATFORM_SERVER__HOST", "server.public_url": str(file),
    }  # fmt: skip
    assert loaded.settings.ingest.max_body_mb == 64


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 9\n")
    assert load(environment={"AIPLATFORM_SETTINGS": str(file)}).settings.server.port == 9


def test_variables_of_the_client_are_no_settings(tmp_path: Path) -> None:
    environment = {
        "AIPLATFORM_URL": "http://x",
        "AIPLATFORM_API_KEY": "k",
        "AIPLATFORM_SETTINGS": str(write(tmp_path, "")),
    }
    assert load(environment=environment).sources == {}


@pytest.mark.parametrize(
    ("text", "environment", "reason", "named"),
    [
        ("[server]\nprot = 1\n", {}, "config.unknown", "server.prot"),
        ("server = 1\n[x]\n", {"AIPLATFORM_SERVER__PORT": "1"}, "config.unknown", "server"),
        ("", {"AIPLATFORM_SERVER__PROT": "1"}, "config.unknown", "AIPLATFORM_SERVER__PROT"),
        ("", {"AIPLATFORM_SERVER__PORT": "many"}, "config.value", "many"),
        ("[server]\nport = 70000\n", {}, "config.value", "70000"),
        ("[server\n", {}, "config.malformed", "aiplatform.toml"),
    ],
)
def test_a_wrong_setting_is_named_with_its_source(
    tmp_path: Path, text: str, environment: dict[str, str], reason: str, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file=write(tmp_path, text), environment=environment)
    assert caught.value.full_code == reason
    assert named in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere") as caught:
        load(file=tmp_path / "nowhere.toml", environment={})
    assert caught.value.full_code == "config.unreadable"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    loaded = load(file=write(tmp_path, "[database]\nurl = 'postgresql+psycopg://u:secret@h/d'\n"), environment={})
    assert "secret" not in repr(loaded.settings)
    assert "secret" in loaded.settings.database_url


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = load(file=write(tmp_path, ""), environment={}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]
