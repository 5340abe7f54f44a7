"""Pages opened by Ray tasks: the process that serves stays free, and the trace goes on in the task."""

from __future__ import annotations

from typing import Any, Final

import ray
from ray.exceptions import RayTaskError

from aiplatform.core.errors import AIPlatformError
from aiplatform.tour.pages import shipped_pages
from aiplatform.tracing import sdk

TIMEOUT_S: Final = 60.0


@sdk.carrying
def read_page(page: str) -> str:
    """A page's text, read in a task; its span is a child of the span that asked for it."""
    with sdk.span("read_page", kind="chain", input=page) as opened:
        text = shipped_pages().open(page)
        opened.set_output({"characters": len(text)})
        return text


class RayPages:
    """Opens each page in a Ray task."""

    def __init__(self) -> None:
        # No CPU is reserved: reading takes microseconds, and a busy cluster must not hold an answer up.
        self._task: Any = ray.remote(num_cpus=0, max_retries=2)(read_page)

    def open(self, page: str) -> str:
        """The page's whole text.

        Raises:
            NotFoundError: There is no such page.
        """
        try:
            text: str = ray.get(self._task.remote(page), timeout=TIMEOUT_S)
        except RayTaskError as error:
            if isinstance(error.cause, AIPlatformError):
                raise error.cause from None
            raise
        return text
