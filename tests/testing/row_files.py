"""Where tests keep files of row results: in memory."""

from __future__ import annotations


class MemoryFiles:
    """A sink of row results that can be looked into."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, path: str, content: bytes) -> None:
        """Keep a file."""
        self.files[path] = content

    def get(self, path: str) -> bytes | None:
        """A file that was kept."""
        return self.files.get(path)
