"""What the registry needs from outside: files of a tenant's projects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from aiplatform.core.scope import Scope


class ArtifactFiles(Protocol):
    """Artifacts of one tenant and project by their path; paths never reach out of the scope."""

    def write(self, scope: Scope, path: str, chunks: Iterator[bytes]) -> int:
        """Keep a file, over an older one only once it is whole; returns its size in bytes."""
        ...

    def open(self, scope: Scope, path: str) -> BinaryIO:
        """The file, to be read and sought in.

        Raises:
            NotFoundError: There is none.
        """
        ...
