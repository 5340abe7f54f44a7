"""A folder of code as one zip, the same bytes for the same files."""

from __future__ import annotations

import fnmatch
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiplatform.core.errors import InvalidError, TooLargeError
from aiplatform.core.i18n import N_

MAX_BYTES: Final = 100 * 1024 * 1024
_LEFT_OUT: Final = (
    ".git",
    ".hg",
    ".venv",
    "venv",
    "__pycache__",
    "node_modules",
    ".*_cache",
    "*.pyc",
    ".env",
    ".env.*",
)
_SOME_DAY: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def zip_folder(folder: Path) -> bytes:
    """The folder's files, environments, caches and version control left out.

    Raises:
        InvalidError: It is not a folder.
        TooLargeError: The files are more than Ray takes as a working directory.
    """
    if not folder.is_dir():
        raise InvalidError(
            N_("{folder!r} is not a folder."), hint=N_("Name the folder that holds the code."), folder=str(folder)
        )
    buffer = io.BytesIO()
    total = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(_files(folder)):
            total += file.stat().st_size
            if total > MAX_BYTES:
                raise TooLargeError(
                    N_("The files of {folder!r} are more than {limit} MiB."),
                    hint=N_("Keep data out of the code's folder: register it as a data set instead."),
                    reason="jobs.working_dir",
                    folder=str(folder),
                    limit=MAX_BYTES // 1024 // 1024,
                )
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), date_time=_SOME_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (file.stat().st_mode & 0o777) << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if any(fnmatch.fnmatch(entry.name, pattern) for pattern in _LEFT_OUT) or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif entry.is_file():
            yield entry
