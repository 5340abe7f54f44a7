"""How many spans a process made and settled, in a file that outlives its being killed.

Two numbers in shared memory over a file: the kernel keeps them when the process dies by `kill -9`. Whoever opens the
folder next counts the difference as lost: never too few, and at most the one batch too many that was on its way as the
process died. The owner holds a lock, which falls with it; an orderly end removes the file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from pathlib import Path
from typing import Final

_SIZE: Final = 16
SUFFIX: Final = ".ledger"


class Ledger:
    """The numbers of this process. A failing disk costs the numbers, nothing else."""

    def __init__(self, folder: Path) -> None:
        """Begin a ledger in `folder`.

        Raises:
            OSError: The folder cannot be written to, or does not know locks.
        """
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        begun = folder / f".{name}.new"
        self._file = folder / f"{name}{SUFFIX}"
        self._descriptor = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(self._descriptor, bytes(_SIZE))
            # Locked before it has its name: nobody may take a ledger for an orphan that is just beginning.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._memory = mmap.mmap(self._descriptor, _SIZE)
            begun.rename(self._file)
        except OSError:
            os.close(self._descriptor)
            begun.unlink(missing_ok=True)
            raise
        self.numbers: memoryview = memoryview(self._memory).cast("Q")
        """Spans made, spans settled."""

    def forget(self) -> None:
        """Let go of the parent's ledger in a forked child: the lock stays the parent's."""
        self.numbers.release()
        self._memory.close()
        os.close(self._descriptor)

    def close(self, *, is_settled: bool) -> None:
        """End in order; what is not settled is counted by whoever comes next."""
        if is_settled:
            self._file.unlink(missing_ok=True)
        self.forget()


def lost_of_the_dead(folder: Path) -> int:
    """Spans that processes took along when they were killed; each is counted once.

    Raises:
        OSError: The folder cannot be read.
    """
    lost = 0
    for file in folder.glob(f"*{SUFFIX}"):
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process was faster
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                made, settled = memoryview(os.pread(descriptor, _SIZE, 0).ljust(_SIZE, b"\0")).cast("Q")
                file.unlink(missing_ok=True)
                lost += max(made - settled, 0)
        except BlockingIOError:
            continue  # its process lives
        finally:
            os.close(descriptor)
    return lost
