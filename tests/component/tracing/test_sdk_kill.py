"""`kill -9`, of the application and of the platform, in the middle: each span arrives or is counted as lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import httpx
import pytest
from sqlalchemy import func, select

from aiplatform.storage.database import Database
from aiplatform.storage.tables.tracing import spans
from aiplatform.testing.platform import free_port
from aiplatform.tracing.sdk.export import BATCH_SPANS
from tests.component.tracing.conftest import SCOPE
from tests.component.tracing.scripted import Reply, scripted_server
from tests.component.tracing.test_durability import wait_until_it_answers

ROOT = Path(__file__).parents[3]

APPLICATION = """
import sys
import aiplatform as aip

aip.init()
for number in range(int(sys.argv[1])):
    with aip.span(f"n{number}", input="x" * 500):
        pass
print("made", flush=True)
for line in sys.stdin:
    if line.startswith("more"):
        for number in range(int(line.split()[1])):
            with aip.span(f"m{number}"):
                pass
        print("made", flush=True)
    else:
        is_done, numbers = aip.flush(60), aip.tracing_stats()
        print(is_done, *(f"{name}={getattr(numbers, name)}" for name in numbers.__slots__), flush=True)
"""


class Application:
    """The application in a process of its own, on a leash."""

    def __init__(self, num_spans: int, url: str, spill: Path) -> None:
        own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "OTEL_"))}
        more = {"AIPLATFORM_URL": url, "AIPLATFORM_API_KEY": "acme", "AIPLATFORM_SPILL_DIR": str(spill)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", APPLICATION, str(num_spans)],
            env={**own, **more},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "made"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self.kill()

    def more(self, num_spans: int) -> None:
        self._say(f"more {num_spans}")
        assert self._line() == "made"

    def flushed(self) -> dict[str, int]:
        """The numbers after a flush that brought everything away."""
        self._say("flush")
        is_done, *numbers = self._line().split()
        assert is_done == "True"
        return {name: int(value) for name, _, value in (one.partition("=") for one in numbers)}

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)
        assert self._process.returncode == -9

    def end(self) -> str:
        _, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return errors

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def test_spans_of_a_killed_application_are_sent_by_the_next_or_counted(tmp_path: Path) -> None:
    port, made = free_port(), 3_000
    with Application(made, f"http://127.0.0.1:{port}", tmp_path) as killed:
        while not list(tmp_path.rglob("*.spans")):
            threading.Event().wait(0.02)
        killed.kill()
    with scripted_server(port) as server:
        with Application(0, server.url, tmp_path) as follower:
            follower.more(1)
            numbers = follower.flushed()
            assert len(set(server.names)) == len(server.names) == numbers["replayed"] + 1
            assert numbers["replayed"] >= 1
            # The batch that went to disk as the process died may be counted though it arrives; none is neither.
            assert made <= numbers["replayed"] + numbers["lost_before"] <= made + BATCH_SPANS
            assert numbers["sent"] == 1
            errors = follower.end()
            assert ("were lost" in errors) == (numbers["lost_before"] > 0)
        with Application(0, server.url, tmp_path) as again:
            assert again.flushed()["lost_before"] == 0
            again.end()


def test_an_application_killed_while_it_sends_owns_up_to_what_was_on_its_way(tmp_path: Path) -> None:
    hang = threading.Event()
    with scripted_server() as server:
        server.replies = [Reply(), Reply(hang=hang)]
        with Application(1_000, server.url, tmp_path) as killed:
            while server.num_requests < 2:
                threading.Event().wait(0.02)
            killed.kill()
        num_arrived = len(server.names)
        hang.set()
        with Application(0, server.url, tmp_path) as follower:
            lost = follower.flushed()["lost_before"]
            # What the platform had acknowledged is not lost; what hung may have arrived and is counted all the same.
            assert lost == 1_000 - num_arrived
            follower.end()


def test_no_span_is_lost_when_the_platform_is_killed_and_comes_back(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.component.tracing.serve_traces"]

    def platform() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*command, database_url, str(tmp_path / "text.db"), str(port)], cwd=ROOT)
        wait_until_it_answers(url, process)
        return process

    first = platform()
    second = None
    try:
        with Application(2_000, url, tmp_path / "spill") as application:
            first.kill()
            first.wait(30)
            with pytest.raises(httpx.TransportError):
                httpx.get(url)
            application.more(1_500)
            second = platform()
            application.more(500)
            numbers = application.flushed()
            assert numbers["made"] == 4_000
            assert [numbers[name] for name in ("dropped", "rejected", "refused", "lost_before")] == [0, 0, 0, 0]
            application.end()
        database = Database(database_url)
        try:
            with database.read(SCOPE) as tx:
                assert tx.execute(select(func.count()).select_from(spans)).scalar_one() == 4_000
        finally:
            database.close()
    finally:
        first.kill()
        first.wait(30)
        if second is not None:
            second.kill()
            second.wait(30)
