"""Finding and ending the processes of one installation, by a mark in their environment and by their ids."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import psutil

from aiplatform.core.errors import TransientError
from aiplatform.core.i18n import N_
from aiplatform.runtime.model import MARK_VARIABLE

GRACE_S: Final = 3.0
KILL_S: Final = 15.0
_POLL_S: Final = 0.1


def find_marked(mark: str) -> list[psutil.Process]:
    """Living processes that carry `mark`, whoever their parent is now; this process excepted."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(MARK_VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found


def end_marked(mark: str, *, grace_s: float = GRACE_S, kill_s: float = KILL_S) -> int:
    """End every process that carries `mark`: ask, wait, then force; returns how many there were.

    Args:
        mark: The installation's mark.
        grace_s: Seconds to end by themselves.
        kill_s: Seconds to be gone after that.

    Raises:
        TransientError: Some remain; the error names them.
    """
    asked = _signal(mark, psutil.Process.terminate, set())
    _wait_for_none(mark, grace_s, lambda: _signal(mark, psutil.Process.terminate, asked))
    killed = _signal(mark, psutil.Process.kill, set())
    _wait_for_none(mark, kill_s, lambda: _signal(mark, psutil.Process.kill, killed))
    left = find_marked(mark)
    if left:
        raise TransientError(
            N_("Processes of the platform do not end: {pids}."),
            hint=N_("They wait inside the kernel, perhaps for a disk. Try `aiplatform down` again."),
            reason="runtime.not_ended",
            pids=", ".join(str(process.pid) for process in left),
        )
    return len(asked | killed)


def _signal(mark: str, send: Callable[[psutil.Process], None], done: set[int]) -> set[int]:
    for process in find_marked(mark):
        if process.pid not in done:
            try:
                send(process)
            except psutil.Error:
                continue
            done.add(process.pid)
    return done


def _wait_for_none(mark: str, seconds: float, again: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while find_marked(mark) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        again()  # a process may have been born while the others were asked
