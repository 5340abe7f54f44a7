"""What a request's headers say about who calls; values in, values out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiplatform.core.errors import UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.keys import KEY_PURPOSE, SESSION_PURPOSE, digest, looks_like_key

PROJECT_HEADER: Final = "x-aiplatform-project"
KEY_HEADER: Final = "x-api-key"
SESSION_COOKIE: Final = "aip_session"
MORE_SESSIONS_COOKIE: Final = "aip_sessions"
"""Sessions of the same browser in other tenants, joined by dots; switching swaps one of them in."""

PROJECT_COOKIE: Final = "aip_project"
LOCALE_COOKIE: Final = "aip_locale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a request presents: the digest of its secret, never the secret."""

    digest: str
    is_session: bool
    project_id: str | None
    """The project it asks for; None leaves the choice to the platform."""

    is_project_required: bool = False
    """Whether an unknown project is an error: a header means it, a stale cookie does not."""


def credential_of(headers: Mapping[str, str]) -> Credential | None:
    """The credential that a request's headers carry; None where they carry none.

    A key in `Authorization` (Bearer, or Basic with the key as user or password) or `x-api-key` goes before the cookie
    of a browser session.

    Args:
        headers: Names in lower case.

    Raises:
        UnauthenticatedError: There is an `Authorization` header, and what it holds is no key of this platform.
    """
    wanted = headers.get(PROJECT_HEADER) or None
    key = _presented_key(headers)
    if key is not None:
        if not looks_like_key(key):
            raise refused()
        return Credential(
            digest=digest(key, KEY_PURPOSE), is_session=False, project_id=wanted, is_project_required=wanted is not None
        )
    cookies = headers.get("cookie")
    token = cookie_value(cookies, SESSION_COOKIE) if cookies else None
    if not token:
        return None
    return Credential(
        digest=digest(token, SESSION_PURPOSE),
        is_session=True,
        project_id=wanted or cookie_value(cookies or "", PROJECT_COOKIE),
        is_project_required=wanted is not None,
    )


def refused() -> UnauthenticatedError:
    """The one error for every key that does not open: it never says why, nor repeats the key."""
    return UnauthenticatedError(
        N_("This API key is not known, or it has expired or was revoked."),
        hint=N_("`aiplatform keys list` shows the keys of a tenant; an admin can make another."),
        reason="auth.refused",
    )


def session_tokens(cookie_header: str | None) -> list[str]:
    """The tokens of a browser's sessions: the one in use first, then those in other tenants."""
    if not cookie_header:
        return []
    current = cookie_value(cookie_header, SESSION_COOKIE)
    others = (cookie_value(cookie_header, MORE_SESSIONS_COOKIE) or "").split(".")
    return [token for token in dict.fromkeys([current, *others]) if token]


def cookie_value(header: str, name: str) -> str | None:
    """The value of one cookie; None where it is not there."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"') or None
    return None


def _presented_key(headers: Mapping[str, str]) -> str | None:
    authorization = headers.get("authorization")
    if not authorization:
        return headers.get(KEY_HEADER) or None
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _basic_key(rest.strip())
    raise refused()


def _basic_key(encoded: str) -> str:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refused() from None
    return user if looks_like_key(user) else password
