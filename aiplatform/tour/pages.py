"""Opens a page of the documentation, to read around a passage that was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final, Protocol

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.tour.model import Passage

_NAMED_PAGE: Final = re.compile(r"\b(?:faq|tutorial|howto|reference|library|debian-faq)/[\w-]+")


class PageOpener(Protocol):
    """Opens pages."""

    def open(self, page: str) -> str:
        """The page's whole text.

        Raises:
            NotFoundError: There is no such page.
        """
        ...


class Pages:
    """Pages put together from their passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        texts: dict[str, list[str]] = {}
        for passage in passages:
            texts.setdefault(passage.page, []).append(passage.text)
        self._texts = {page: "\n\n".join(parts) for page, parts in texts.items()}

    def open(self, page: str) -> str:
        """The page's whole text.

        Raises:
            NotFoundError: There is no such page.
        """
        if page not in self._texts:
            raise NotFoundError(
                N_("There is no page {page!r} in the documentation."),
                hint=N_("{num_pages} pages were indexed."),
                reason="tour.no_page",
                page=page,
                num_pages=len(self._texts),
            )
        return self._texts[page]


@cache
def shipped_pages() -> Pages:
    """The pages of the shipped documentation, put together once a process."""
    from aiplatform.tour.corpus import load_passages  # noqa: PLC0415 - Arrow, and only where pages are opened

    return Pages(load_passages())


def named_page(question: str) -> str | None:
    """The page that a question names ("what does howto/sorting say about ...?"); None where it names none."""
    match = _NAMED_PAGE.search(question)
    return match[0] if match else None
