"""What Ray's processes, and so every job, inherit."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiplatform.runtime.environment import client_environment, head_environment
from aiplatform.runtime.model import MARK_VARIABLE, Ports, ray_home

HOME = ray_home(Path("/data"), short_dir=Path("/tmp"))


def _environment(inherited: dict[str, str], secrets: list[str] | None = None) -> dict[str, str]:
    return head_environment(
        inherited,
        home=HOME,
        ports=Ports(20_000),
        num_cpus=2,
        bin_dir=Path("/venv/bin"),
        url="http://127.0.0.1:8000",
        service_key_file=Path("/data/state/service-key"),
        haproxy_binary=Path("/data/state/haproxy"),
        secrets=secrets or [],
    )


@pytest.mark.parametrize(
    "name",
    [
        "AIPLATFORM_DATABASE__URL",
        "AIPLATFORM_SETTINGS",
        "AIPLATFORM_API_KEY",
        "DATABASE_URL",
        "PGPASSWORD",
        "POSTGRES_PASSWORD",
        "MLFLOW_TRACKING_URI",
        "RAY_ADDRESS",
        "RAY_SERVE_HAPROXY_METRICS_PORT_SPREAD",
    ],
)
def test_what_may_tell_of_the_control_plane_or_another_ray_is_left_out(name: str) -> None:
    assert name not in _environment({name: "value"})


def test_a_variable_that_repeats_a_secret_is_left_out_whatever_its_name() -> None:
    secret = "postgresql+psycopg://u:p@db/x"
    kept = _environment({"MY_DB": f"x {secret}", "MINE": "kept"}, [secret, ""])
    assert "MY_DB" not in kept
    assert kept["MINE"] == "kept"


def test_a_job_finds_the_platform_and_a_key_file() -> None:
    environment = _environment({})
    assert environment["AIPLATFORM_URL"] == "http://127.0.0.1:8000"
    assert environment["AIPLATFORM_KEY_FILE"] == "/data/state/service-key"
    assert environment[MARK_VARIABLE] == HOME.mark
    assert environment["SPT_NOENV"] == "1"


@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/usr/bin:/venv/bin:/bin", "/venv/bin:/usr/bin:/bin"])
def test_the_environments_programs_come_first_on_the_path(path: str) -> None:
    assert _environment({"PATH": path})["PATH"] == "/venv/bin:/usr/bin:/bin"


def test_a_client_of_ray_gets_the_token_by_file() -> None:
    assert client_environment(HOME, "http://127.0.0.1:20001") == {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": "/data/state/ray-token",
        "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:20001",
    }
