"""Real processes, found by their mark and ended by their ids."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from aiplatform.runtime.model import MARK_VARIABLE
from aiplatform.runtime.processes import end_marked, find_marked

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _start(started: list[subprocess.Popen[str]], code: str, mark: str | None) -> subprocess.Popen[str]:
    environment = {**os.environ, **({MARK_VARIABLE: mark} if mark else {})}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def _wait(process: subprocess.Popen[str]) -> int:
    return process.wait(timeout=10)


def test_only_marked_processes_are_ended_orphans_and_stubborn_ones_too(started: list[subprocess.Popen[str]]) -> None:
    mark = f"test-{os.getpid()}"
    stranger, other = _start(started, SLEEP, None), _start(started, SLEEP, f"{mark}-other")
    stubborn, parent = _start(started, STUBBORN, mark), _start(started, PARENT, mark)
    parent.kill()
    _wait(parent)
    assert len(find_marked(mark)) == 2, "the stubborn one and the orphan"
    assert end_marked(mark, grace_s=0.5) == 2
    assert find_marked(mark) == []
    assert _wait(stubborn) != 0
    assert stranger.poll() is None
    assert other.poll() is None


def test_nothing_to_end_is_fine() -> None:
    assert end_marked("nobody-has-this") == 0
