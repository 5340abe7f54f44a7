"""Tokens of pages: where the next one begins, in a text that a caller hands back as it is."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_


def page_token(*parts: str | int) -> str:
    """A token that `read_page` takes apart."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode("ascii").rstrip("=")


def read_page(page: str, *kinds: type) -> list[Any]:
    """The parts of a token, each of its kind.

    Raises:
        InvalidError: It is no token of such parts.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(page + "=" * (-len(page) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise not_a_page(page) from None
    fits = isinstance(parts, list) and len(parts) == len(kinds)
    if not fits or not all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
        raise not_a_page(page)
    found: list[Any] = parts
    return found


def not_a_page(page: str) -> InvalidError:
    """The error of a token that is none of this list, or of another order."""
    return InvalidError(
        N_("{page!r} is not a page of this list."),
        hint=N_("Use the `next` of the page before, with the same order."),
        reason="tracing.bad_page",
        page=page,
    )
