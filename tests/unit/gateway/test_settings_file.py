"""Settings on their way to control-plane processes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.settings import DatabaseSettings, ServerSettings, Settings, load
from aiplatform.gateway.settings_file import fingerprint, to_toml, write_settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT, TEXT, st.lists(TEXT, max_size=3))
def test_whatever_is_written_is_read_back(url: str, host: str, hosts: list[str]) -> None:
    settings = Settings(
        data_dir=Path("/data"),
        database=DatabaseSettings.model_validate({"url": url}),
        server=ServerSettings(host=host, allowed_hosts=tuple(hosts)),
    )
    import tomllib

    assert Settings.model_validate(tomllib.loads(to_toml(settings))) == settings


def test_the_file_is_the_owners_alone_and_holds_secrets(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database=DatabaseSettings.model_validate({"url": "postgresql+psycopg://u:p@h/d"})
    )
    file = write_settings(tmp_path / "state" / "settings.toml", settings)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load(file=file, environment={}).settings == settings


def test_any_setting_changes_the_fingerprint() -> None:
    base = Settings(data_dir=Path("/data"))
    assert fingerprint(base) == fingerprint(Settings(data_dir=Path("/data")))
    assert fingerprint(base) != fingerprint(base.model_copy(update={"server": ServerSettings(port=8001)}))
