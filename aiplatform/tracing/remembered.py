"""What follows from short texts alone is worked out once: emitters use few names and few values, on very many spans."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

MAX_TEXT: Final = 200
"""Characters of a text that is remembered: whatever a client sends, memory stays bounded."""

MAX_TEXTS: Final = 16_384

_Rest = TypeVarTuple("_Rest")
_Result = TypeVar("_Result")


def remembered(
    function: Callable[[str, *_Rest], _Result],
) -> Callable[[str, *_Rest], _Result]:
    """A function of a text (and of whatever can be hashed) that keeps its last results of texts up to 200 characters.

    Arguments that are equal are taken for the same: do not tell 1 from True by one.
    """
    kept = functools.lru_cache(maxsize=MAX_TEXTS)(function)

    @functools.wraps(function)
    def found(text: str, *rest: *_Rest) -> _Result:
        return kept(text, *rest) if len(text) <= MAX_TEXT else function(text, *rest)

    return found
