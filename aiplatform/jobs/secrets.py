"""Key files of jobs on the machine where the platform itself runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

_ATTEMPT: Final = ".new"


class LocalSecretPlace:
    """One folder a job below the data folder, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, job_id: str, secret: str) -> Path:
        """Write the file beside and move it into place, so that a reader never sees half of it."""
        folder = self._folder / job_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, new = folder / "key", folder / f"key{_ATTEMPT}"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret)
        new.replace(key)
        return key

    def remove(self, job_id: str) -> None:
        """Remove the job's folder."""
        shutil.rmtree(self._folder / job_id, ignore_errors=True)
