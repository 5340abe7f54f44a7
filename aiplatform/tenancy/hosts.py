"""Which names a request may call the platform by, and from which pages it may come.

A page of another site can reach a platform on loopback: by a name of its own that it makes resolve to 127.0.0.1 (so
the Host header is checked), and by a form that the browser sends with our cookie (so requests that change something
must come from our own pages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.settings import Settings

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY_HOST: Final = "*"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def host_check(settings: Settings) -> Callable[[str], None]:
    """A function that refuses a Host header which does not name this platform; ports do not matter."""
    allowed = set(LOOPBACK_NAMES) | {name.lower() for name in settings.server.allowed_hosts}
    allowed.add(_name(settings.server.host if ":" not in settings.server.host else f"[{settings.server.host}]"))
    if settings.server.public_url:
        allowed.add((urlsplit(settings.server.public_url).hostname or "").lower())

    def check(host: str) -> None:
        if _name(host) not in allowed and ANY_HOST not in allowed:
            raise InvalidError(
                N_("This platform does not answer to the name {host!r}."),
                hint=N_("Name it in the setting server.allowed_hosts, or set server.public_url."),
                reason="host.unknown",
                host=host,
            )

    return check


def check_same_site(method: str, headers: Mapping[str, str], *, has_cookie: bool) -> None:
    """Nothing, where a request that changes something comes from one of our own pages.

    Browsers say so in `Sec-Fetch-Site`; over plain HTTP off loopback they leave it out, and `Origin` decides.

    Args:
        method: The request's method.
        headers: Names in lower case.
        has_cookie: Whether a browser session's cookie speaks for the caller. Without one only what is plainly another
            site's is refused: programs send neither header.

    Raises:
        PermissionDeniedError: Another site's page sent it.
    """
    if method in SAFE_METHODS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_own: bool | None = site in {"same-origin", "none"}
    elif origin is not None:
        is_own = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    else:
        is_own = None
    if is_own is False or (is_own is None and has_cookie):
        raise PermissionDeniedError(
            N_("This request comes from another site's page."),
            hint=N_("Use the platform's own pages, or send an API key in the Authorization header."),
            reason="auth.cross_site",
        )


def local_target(target: str | None, default: str = "/") -> str:
    """A path of this site to go on to; anything that a browser could read as another site's becomes the default."""
    is_local = target is not None and target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target is not None and target.isprintable() and "\\" not in target else default


def _name(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
