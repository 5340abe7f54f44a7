"""Export requests on disk while the platform is away.

One folder for each address, project and key, so that spans never leave with another tenant's key; only the owner reads
it. Files appear whole (written aside, then renamed), carry a checksum, and the oldest go first. What is not whole or
not as it was written is set aside and counted, not sent.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aiplatform.core.folders import default_cache_dir

FOLDER_VARIABLE: Final = "AIPLATFORM_SPILL_DIR"
BYTES_VARIABLE: Final = "AIPLATFORM_SPILL_BYTES"
DEFAULT_BYTES: Final = 256 * 2**20
"""Of all waiting requests of one address, project and key together."""

SUFFIX: Final = ".spans"
MAX_FILES: Final = 20_000
MAX_SET_ASIDE: Final = 16
ABANDONED_S: Final = 14 * 86_400.0
"""Other keys' folders untouched for so long are removed: their key is gone, nobody can send them."""

_HEAD: Final = struct.Struct(">8s32sQQ")
_MAGIC: Final = b"AIPSPAN1"


class SpillFolder:
    """The requests that wait for one address, project and key."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._serial = 0

    def put(self, body: bytes, num_spans: int) -> bool:
        """Keep a request; returns whether it was kept: not where the folder is full.

        Raises:
            OSError: The disk does not take it.
        """
        files = self._files()
        if len(files) >= MAX_FILES or sum(_size(file) for file in files) + len(body) > self._max_bytes:
            return False
        self._serial += 1
        name = f"{time.time_ns():020d}-{os.getpid()}-{self._serial}-{num_spans}"
        begun = self.folder / f".{name}.part"
        try:
            descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_HEAD.pack(_MAGIC, hashlib.sha256(body).digest(), num_spans, len(body)))
                file.write(body)
            begun.rename(self.folder / f"{name}{SUFFIX}")
        except OSError:
            begun.unlink(missing_ok=True)
            raise
        return True

    def num_spans(self) -> int:
        """Spans that wait, of every process; those in files that turn out broken included."""
        return sum(_spans_by_name(file) for file in self._files())

    @contextmanager
    def replaying(self) -> Iterator[bool]:
        """Whether this process may replay: one at a time, else each request would go out several times.

        Raises:
            OSError: The folder cannot be used.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def oldest(self) -> tuple[Path, bytes | None, int] | None:
        """The file that waits longest, its request (None where it is broken) and how many spans it held.

        Raises:
            OSError: The disk does not give it.
        """
        file = min(self._files(), default=None, key=lambda found: found.name)
        if file is None:
            return None
        return file, _read(file), _spans_by_name(file)

    def set_aside(self, file: Path) -> None:
        """Keep a broken file where it is looked at by people only.

        Raises:
            OSError: The disk does not let it.
        """
        aside = self.folder / "corrupt"
        aside.mkdir(mode=0o700, exist_ok=True)
        file.rename(aside / file.name)
        for old in sorted(aside.iterdir())[:-MAX_SET_ASIDE]:
            old.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"*{SUFFIX}"))


def spill_folder(url: str, project_id: str, key: str) -> SpillFolder:
    """The folder of an address, project and key, made where it is missing.

    Raises:
        OSError: The user's cache cannot be written to.
    """
    root = Path(os.environ.get(FOLDER_VARIABLE) or default_cache_dir() / "spans")
    # The key itself is not found from the name: it is 256 random bits under a one-way function.
    owner = hashlib.sha256("\0".join((url, project_id, key)).encode()).hexdigest()[:40]
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = root / owner
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    folder.chmod(0o700)
    _sweep(root, folder)
    return SpillFolder(folder, int(os.environ.get(BYTES_VARIABLE) or DEFAULT_BYTES))


def _sweep(root: Path, own: Path) -> None:
    """Remove what nobody comes back for: folders of keys long gone, and files that were never finished."""
    now = time.time()
    for folder in root.iterdir():
        if folder != own and folder.is_dir() and now - folder.stat().st_mtime > ABANDONED_S:
            for file in sorted(folder.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
            folder.rmdir()
    for part in own.glob(".*.part"):
        if now - part.stat().st_mtime > 3_600:
            part.unlink(missing_ok=True)


def _read(file: Path) -> bytes | None:
    data = file.read_bytes()
    if len(data) < _HEAD.size:
        return None
    magic, digest, _, length = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    is_whole = magic == _MAGIC and len(body) == length and hashlib.sha256(body).digest() == digest
    return body if is_whole else None


def _spans_by_name(file: Path) -> int:
    count = file.stem.rpartition("-")[2]
    return int(count) if count.isdecimal() else 0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
