"""What `up` tells while it works; the command line draws it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Step(Protocol):
    """One step that is under way. Texts are of the message catalogue, with fields."""

    def tell(self, text: str, **fields: Any) -> None:
        """What happens right now."""

    def result(self, text: str, **fields: Any) -> None:
        """What came of it."""


class Report(Protocol):
    """Where the steps are shown."""

    def step(self, name: str) -> AbstractContextManager[Step]:
        """Begin a step; leaving the block ends it, and tells how long it took."""
        ...

    def note(self, text: str, **fields: Any) -> None:
        """Something worth a line of its own."""
