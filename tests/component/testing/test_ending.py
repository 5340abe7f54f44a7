"""What outlives a killed test process would be met by the next ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aiplatform.testing.ending import afterwards, tied

ROOT = Path(__file__).parents[3]
GUARDED = """
import os, sys
from pathlib import Path
from aiplatform.testing.ending import afterwards
with afterwards(sys.argv[1:], environment=os.environ, folder=Path.cwd()):
    print("inside", flush=True)
    if sys.stdin.readline() == "fail":
        raise KeyboardInterrupt
print("outside", flush=True)
"""
STARTS = """
import subprocess, sys
from aiplatform.testing.ending import tied
child = subprocess.Popen(tied([sys.executable, "-c", "import time; time.sleep(600)"]))
print(child.pid, flush=True)
child.wait()
"""


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def cleaning(tmp_path: Path) -> tuple[Path, list[str]]:
    """A pipe, and a command that writes into it: reading waits for that, and for no time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    return pipe, [sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('cleaned')", str(pipe)]


@pytest.mark.parametrize(
    "end",
    [lambda process: process.send_signal(signal.SIGKILL), lambda process: process.stdin.write("fail")],
    ids=["killed", "an error"],
)
def test_who_ends_inside_the_block_is_cleaned_up_after(
    cleaning: tuple[Path, list[str]], end: Callable[[subprocess.Popen[str]], object]
) -> None:
    pipe, command = cleaning
    with started(GUARDED, *command) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "inside\n"
        end(process)
        process.stdin.close()
        assert pipe.read_text() == "cleaned"


def test_nothing_runs_after_a_block_that_ends(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    command = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(mark)]
    with afterwards(command, environment=os.environ, folder=tmp_path):
        pass
    assert not mark.exists()


@pytest.mark.skipif(tied([]) == [], reason="no setpriv here")
def test_a_tied_process_ends_with_the_one_that_started_it() -> None:
    with started(STARTS) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    try:
        child.wait(timeout=60)
    finally:
        if child.is_running():
            child.kill()
