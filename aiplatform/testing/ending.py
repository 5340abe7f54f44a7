"""What a test process started ends with it, also where it is killed and no fixture comes to an end.

Processes that share a suite are killed a few seconds after an interrupt: too early for a platform to go down.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_GUARD: Final = "import subprocess, sys; sys.stdin.read() or subprocess.run(sys.argv[1:], check=False)"
_DONE: Final = "done"


def tied(command: Sequence[str]) -> list[str]:
    """A command whose process the kernel ends with the thread that starts it; unchanged where there is no `setpriv`."""
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "TERM"] if setpriv else []), *command]


@contextmanager
def afterwards(command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Run a command when this process ends inside the block; where the block itself ends, nothing runs.

    Args:
        command: What cleans up.
        environment: Its variables.
        folder: Its working directory.
    """
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD, *command],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the interrupt from a terminal reaches every process of a session
        text=True,
    )
    with guard:
        yield
        guard.communicate(_DONE)
