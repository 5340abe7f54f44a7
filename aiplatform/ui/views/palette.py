"""What the palette finds: things whose names hold the words that were typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_FOUND: Final = 12
_TRACE_ID: Final = re.compile(r"(?:tr-)?[0-9a-f]{32}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing with a page."""

    kind: str
    name: str
    path: str
    """Below `/tenant/project`."""

    icon: str


def looks_like_trace_id(text: str) -> bool:
    """Whether the text is a trace id, which is opened without searching."""
    return _TRACE_ID.fullmatch(text) is not None


def matching(found: Iterable[Found], asked: str) -> list[Found]:
    """Things whose name holds every word, those that begin with the text first; at most twelve."""
    words = asked.lower().split()
    held = [one for one in found if all(word in one.name.lower() for word in words)]
    return sorted(held, key=lambda one: (not one.name.lower().startswith(asked.lower()), one.name.lower()))[:MAX_FOUND]
