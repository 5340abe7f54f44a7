"""No call is paid for twice, whatever is killed: counted at the server that answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aiplatform.eval.run_service import SILENT_AFTER_NS
from tests.component.eval.conftest import House
from tests.component.eval.paid_on_ray import ROWS
from tests.testing.chat_server import Asked, ChatServer, Told, chat_server, fails, follows_schema, slowly, with_faults

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[3]
SLOW_S = 2.0
HELD_S = 600.0


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with house.platform.listen() as address:
        yield address


@contextmanager
def driver(house: House, url: str, what: str, server: str) -> Iterator[subprocess.Popen[str]]:
    """The program in a session of its own; whatever is left of it is killed at the end."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "RAY_", "OTEL_"))}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environment = {
            **own,
            "AIPLATFORM_URL": url,
            "AIPLATFORM_API_KEY": house.platform.key(),
            "PYTHONPATH": str(ROOT),
            "HOME": folder,
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "120",
        }
        program = [sys.executable, str(Path(__file__).with_name("paid_on_ray.py")), what, server]
        with subprocess.Popen(
            program,
            env=environment,
            cwd=ROOT,
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                kill_session(process.pid)


def kill_session(session: int) -> None:
    """`kill -9` to every process of the session, Ray's own among them, whichever groups they made."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            try:
                if os.getsid(int(entry.name)) == session:
                    os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def printed(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=250)
    assert process.returncode == 0, stderr[-4000:]
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found


def until(seen: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def kept(house: House, run_id: str) -> int:
    return house.calls.stats(house.platform.caller(), run_id=run_id).calls


def script(asked: Asked) -> Told:
    mark = asked.text.split()[0]
    if mark == "badkey":
        return fails(401, "Incorrect API key provided")
    if mark == "flaky":
        return with_faults(follows_schema, seed=5, limited=0.2, broken=0.05, garbled=0.02)(asked)
    return slowly(follows_schema, SLOW_S if mark == "wide" else 0.02)(asked)


def of(server: ChatServer, mark: str) -> list[Asked]:
    return [asked for asked in server.asked if asked.text.startswith(f"{mark} ")]


@pytest.mark.timeout(290)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_killed_run_goes_on_without_a_repeated_call(house: House, url: str) -> None:
    with chat_server() as server:
        share = ROWS * 6 // 10
        server.script = lambda asked: slowly(follows_schema, HELD_S if len(server.asked) > share else 0.02)(asked)
        with driver(house, url, "first", server.url):
            server.wait_for(share, timeout_s=200)
            # Answers count once they are kept: what is in flight may be asked again, and nothing else.
            until(lambda: kept(house, "eval-killed") == share)
            in_flight = server.in_flight
        assert 0 < in_flight <= 8
        house.clock.advance(SILENT_AFTER_NS / 1e9 + 1)
        assert house.service.sweep() == 1

        server.script = script
        with driver(house, url, "then", server.url) as process:
            seen = printed(process)

        assert server.paid_twice == []
        resumed = seen["resumed"]
        assert (resumed["status"], resumed["done_rows"], resumed["attempt"]) == ("completed", ROWS, 2)
        assert len(of(server, "killed")) == ROWS + in_flight
        assert resumed["calls"]["paid"] == ROWS
        assert len(set(seen["traces"])) == ROWS
        assert seen["again"] is True
        assert (seen["shared"]["calls"]["paid"], seen["shared"]["metrics"][0]) == (0, resumed["metrics"][0])
        check_faults(seen, server)
        check_caps(seen, server)


def check_faults(seen: dict[str, Any], server: ChatServer) -> None:
    flaky = seen["flaky"]
    assert flaky["row_errors"] == []
    assert (flaky["done_rows"], flaky["metrics"][0]["scored"], seen["passes"]) == (60, 60, True)
    assert len(of(server, "flaky")) > 60
    assert (seen["wide"]["status"], seen["wide"]["row_errors"]) == ("completed", [])
    assert server.most_in_flight >= 150
    code, told, _ = seen["bad_key"]
    assert code == "evaluation.endpoint_key"
    assert told.splitlines() == [told]
    assert "Incorrect API key provided" in told
    assert seen["bad_key_run"]["status"] == "failed"
    assert len(of(server, "badkey")) <= 16


def check_caps(seen: dict[str, Any], server: ChatServer) -> None:
    assert seen["capped"][0] == "evaluation.capped"
    assert seen["capped_run"]["status"] == "capped"
    assert seen["capped_calls"]["calls"] == 25
    assert (seen["raised"]["status"], seen["raised"]["calls"]["paid"]) == ("completed", 60)
    assert len(of(server, "capped")) == 60


@pytest.mark.slow
@pytest.mark.timeout(290)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_two_nodes_share_limits_and_give_the_same_numbers(house: House, url: str) -> None:
    with chat_server(slowly(follows_schema, 0.1)) as server:
        with driver(house, url, "nodes", server.url) as process:
            seen = printed(process)
        assert seen["alive"] == 2
        nodes = seen["nodes"]
        assert (nodes["status"], nodes["done_rows"], nodes["row_errors"]) == ("completed", ROWS, [])
        assert nodes["metrics"][0]["value"] == sum(n % 3 > 0 for n in range(ROWS)) / ROWS
        assert server.paid_twice == []
        assert 8 <= server.most_in_flight <= 16
