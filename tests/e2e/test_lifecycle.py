"""Up and down, twice, after a crash, and beside others. This platform is the file's own: it is killed here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from aiplatform.runtime.model import Ports, mark_of
from aiplatform.runtime.processes import find_marked
from aiplatform.testing.platform import RunningPlatform, free_port, idle_platform, running_platform

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    secret = {"AIPLATFORM_INGEST__MAX_BODY_MB": "32", "DATABASE_URL": "postgresql://somebody:secret@nowhere/db"}
    with running_platform(tmp_path_factory.mktemp("own"), **secret) as running:
        yield running


def _processes(platform: RunningPlatform) -> list[psutil.Process]:
    return find_marked(mark_of(platform.data_dir))


def _listening(pids: set[int]) -> set[tuple[str, int]]:
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections(kind="tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN and connection.pid in pids
    }


def _ray(platform: RunningPlatform, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The stock `ray` command, pointed at the platform's Ray by what `aiplatform config env` prints."""
    return subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *arguments],
        env=platform.client_environment(),
        cwd=platform.home / "job",
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_up_makes_a_platform_that_answers_with_the_owners_key(own: RunningPlatform) -> None:
    with own.http() as http:
        assert http.get("/readyz").json() == {"status": "ready", "database": "ok"}
        me = http.get("/api/v1/me").json()
    assert (me["tenant"]["id"], me["role"]) == ("default", "platform_admin")
    assert httpx.get(f"{own.url}/api/v1/me").status_code == 401
    assert own.key_file.stat().st_mode & 0o077 == 0


def test_up_twice_changes_nothing_and_signs_in_again(own: RunningPlatform) -> None:
    before = {process.pid for process in _processes(own)}
    again = own.run_json("up")
    assert again["was_running"]
    assert before <= {process.pid for process in _processes(own)}
    with httpx.Client(base_url=own.url) as browser:
        signed_in = browser.get(again["sign_in_url"])
        assert signed_in.status_code == 303
        assert browser.get("/api/v1/me").status_code == 200
        assert httpx.get(again["sign_in_url"]).status_code != 303, "a code opens once"


def test_status_tells_every_application(own: RunningPlatform) -> None:
    status = own.run_json("status")
    assert status["is_ready"]
    running = {one["name"]: one["status"] for one in status["applications"]}
    assert running == dict.fromkeys(("platform", "door", "mlflow", "worker"), "RUNNING")
    assert status["num_processes"] == len(_processes(own))


def test_every_listening_socket_is_on_loopback_and_known(own: RunningPlatform) -> None:
    """No address but loopback; ports are the entry's, this installation's block, or workers' own with Ray's token."""
    state = json.loads((own.data_dir / "state" / "ray.json").read_text())
    block = range(state["port_base"], state["port_base"] + 128)
    sockets = _listening({process.pid for process in _processes(own)})
    assert sockets
    away = {pair for pair in sockets if pair[0].removeprefix("::ffff:") not in {"127.0.0.1", "::1"}}
    assert away == set()
    allowed = {own.port, *block}
    workers = {port for _, port in sockets if port not in allowed}
    # A worker's own gRPC ports are chosen by the kernel; each asks for Ray's token or takes calls of this machine only.
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(low <= port <= high for port in workers), workers


def test_no_port_answers_without_a_credential(own: RunningPlatform) -> None:
    """Whoever reaches a port of this platform over HTTP gets health, sign-in or metrics, never data."""
    harmless = {404, 401, 403, 400, 405, 303, 307, 500, 503}
    state = json.loads((own.data_dir / "state" / "ray.json").read_text())
    ports = Ports(state["port_base"])
    counting = {ports.metrics_export, ports.dashboard_metrics, ports.haproxy_metrics, ports.haproxy_stats}
    for _, port in sorted(_listening({process.pid for process in _processes(own)})):
        for path in ("/api/v1/me", "/v1/models", "/mlflow/api/2.0/mlflow/experiments/search", "/api/jobs/", "/traces"):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5.0)
            except httpx.HTTPError:
                continue  # gRPC, or nothing that speaks HTTP
            if answer.status_code == 200 and port in counting:
                assert answer.text.startswith("# HELP") or "Statistics Report" in answer.text
                continue
            assert answer.status_code in harmless, f"{port}{path}: {answer.status_code} {answer.text[:200]}"


def test_a_jobs_environment_holds_no_database_address(own: RunningPlatform) -> None:
    code = "import os, json; print('ENV=' + json.dumps(dict(os.environ)))"
    (own.home / "job").mkdir()
    (own.home / "job" / "show.py").write_text(code)
    submit = ["job", "submit", "--submission-id", "shows-env", "--working-dir", ".", "--", "python", "show.py"]
    submitted = _ray(own, *submit)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    line = next(line for line in _ray(own, "job", "logs", "shows-env").stdout.splitlines() if line.startswith("ENV="))
    found = json.loads(line.removeprefix("ENV="))
    assert found["AIPLATFORM_URL"] == own.url
    assert found["AIPLATFORM_KEY_FILE"]
    assert not [name for name in found if "DATABASE" in name.upper() or name == "AIPLATFORM_SETTINGS"]
    assert not [value for value in found.values() if "sqlite:" in value or "postgresql" in value]
    assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    key = Path(found["AIPLATFORM_KEY_FILE"]).read_text().strip()
    with own.http(key=key) as http:
        me = http.get("/api/v1/me").json()
    assert (me["tenant"]["id"], me["owner"]) == ("default", "service:cluster")


def test_a_port_in_use_is_named_with_a_remedy(tmp_path_factory: pytest.TempPathFactory) -> None:
    other = idle_platform(tmp_path_factory.mktemp("other"))
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", other.port))
        taken.listen()
        refused = other.run("up", check=False)
    assert refused.returncode == 2
    assert f"Port {other.port} on 127.0.0.1 is in use" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert _processes(other) == []


def test_an_open_address_needs_keys_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    other = idle_platform(tmp_path_factory.mktemp("open"))
    refused = other.run("up", "--host", "0.0.0.0", check=False)
    assert refused.returncode == 2
    assert "nobody has a key yet" in refused.stderr
    assert _processes(other) == []


def test_a_foreign_ray_is_never_joined(own: RunningPlatform) -> None:
    again = own.run("up", "--json", RAY_ADDRESS=f"127.0.0.1:{free_port()}")
    assert json.loads(again.stdout)["was_running"]


def test_after_kill_9_of_everything_up_recovers_by_itself(own: RunningPlatform) -> None:
    with own.http() as http:
        http.post("/api/v1/projects", json={"id": "kept"}).raise_for_status()
    for process in _processes(own):
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + 30
    while _processes(own) and time.monotonic() < deadline:
        time.sleep(0.2)
    status = own.run("status", "--json", check=False)
    assert status.returncode == 1
    assert not json.loads(status.stdout)["is_ready"]
    own.run("up", timeout_s=420)
    with own.http() as http:
        names = [one["id"] for one in http.get("/api/v1/projects").json()["items"]]
    assert "kept" in names


def test_down_leaves_no_process_and_no_socket(own: RunningPlatform) -> None:
    state = json.loads((own.data_dir / "state" / "ray.json").read_text())
    # Half dead: the raylet is gone, its workers are orphans for a moment.
    raylet = next(process for process in _processes(own) if process.name() == "raylet")
    raylet.kill()
    own.run("down")
    assert _processes(own) == []
    block = range(state["port_base"], state["port_base"] + 128)
    listening = {
        connection.laddr.port
        for connection in psutil.net_connections(kind="tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN
    }
    assert listening & {own.port, *block} == set()
    assert not Path(state["temp_dir"]).exists()
    assert own.run("down").stdout.strip() == "The platform does not run."
    own.run("up", timeout_s=420)
