"""Signing a browser in and out: the forms behind the sign-in page, and the cookies that hold its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, NotFoundError, UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.core.settings import Settings
from aiplatform.tenancy.credentials import MORE_SESSIONS_COOKIE, PROJECT_COOKIE, SESSION_COOKIE, session_tokens
from aiplatform.tenancy.hosts import local_target
from aiplatform.tenancy.model import NewSession
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.responses import SIGN_IN_PATH, error_response
from aiplatform.tenancy.routing import Routes
from aiplatform.tenancy.service import Tenancy

MAX_OTHER_SESSIONS: Final = 8

SignInPage = Callable[[Request, "AIPlatformError | None", str], Response]
"""Draws the sign-in page: of the request, what went wrong if anything did, and the path to go on to."""


def without_page(request: Request, problem: AIPlatformError | None, _target: str) -> Response:
    """What answers where no pages are installed."""
    if problem is not None:
        return error_response(request.scope, problem)
    return JSONResponse({"sign_in": "POST key=<API key> here"})


def build_sign_in_routes(
    tenancy: Tenancy, settings: Settings, *, page: SignInPage = without_page, clock: Clock | None = None
) -> Routes:
    """`/sign-in` and `/sign-out`.

    Args:
        tenancy: The room's use cases.
        settings: Tell whether browsers come by HTTPS.
        page: Draws the sign-in page.
        clock: For the cookies' age.
    """
    routes = Routes(include_in_schema=False)
    cookies = _Cookies(is_https=settings.url.startswith("https:"), clock=clock or SystemClock())

    @routes.get(SIGN_IN_PATH, permission=Permission.PUBLIC)
    def sign_in_page(request: Request, code: str | None = None, next: str | None = None) -> Response:  # noqa: A002
        """The page; with a one-time code, straight through it."""
        target = local_target(next)
        if not code:
            return page(request, None, target)
        try:
            begun = tenancy.sessions.redeem(code)
        except UnauthenticatedError as problem:
            return page(request, problem, target)
        return cookies.begin(request, RedirectResponse(target, HTTP_303_SEE_OTHER), begun)

    @routes.post(SIGN_IN_PATH, permission=Permission.PUBLIC)
    def sign_in(
        request: Request,
        key: Annotated[str, Form()] = "",
        next: Annotated[str | None, Form()] = None,  # noqa: A002 - the form field's name
    ) -> Response:
        """Sign in with a key."""
        target = local_target(next)
        try:
            begun = tenancy.sessions.sign_in(key)
        except UnauthenticatedError as problem:
            return page(request, problem, target)
        return cookies.begin(request, RedirectResponse(target, HTTP_303_SEE_OTHER), begun)

    @routes.get(SIGN_IN_PATH + "/tenants/{tenant_id}", permission=Permission.SIGNED_IN)
    def switch_tenant(request: Request, tenant_id: str) -> Response:
        """Go on in another tenant in which this browser is signed in."""
        tokens = session_tokens(request.headers.get("cookie"))
        for tenant, token in tenancy.sessions.tenants_of(tokens):
            if tenant.tenant_id == tenant_id:
                response = RedirectResponse(f"/{tenant_id}", HTTP_303_SEE_OTHER)
                return cookies.put(response, [token, *(other for other in tokens if other != token)])
        raise NotFoundError(
            N_("You are not signed in to the tenant {name!r}."),
            hint=N_("Sign in there with a key of that tenant."),
            reason="tenant.unknown",
            name=tenant_id,
        )

    @routes.post("/sign-out", permission=Permission.PUBLIC)
    def sign_out(request: Request) -> Response:
        """End this browser's sessions, in every tenant."""
        tenancy.sessions.sign_out(session_tokens(request.headers.get("cookie")))
        response = RedirectResponse(SIGN_IN_PATH, HTTP_303_SEE_OTHER)
        for name in (SESSION_COOKIE, MORE_SESSIONS_COOKIE, PROJECT_COOKIE):
            response.delete_cookie(name)
        return response

    return routes


class _Cookies:
    """Writes the cookies of a browser's sessions."""

    def __init__(self, *, is_https: bool, clock: Clock) -> None:
        self._is_https = is_https
        self._clock = clock

    def begin(self, request: Request, response: Response, begun: NewSession) -> Response:
        """A session just begun, before those that the browser has already."""
        seconds = max(1, (begun.expires_ns - self._clock.now_ns()) // 1_000_000_000)
        others = session_tokens(request.headers.get("cookie"))
        return self.put(response, [begun.token, *others], seconds)

    def put(self, response: Response, tokens: list[str], seconds: int | None = None) -> Response:
        """The sessions' tokens, the one in use first. Each ends on the server in its own time."""
        self._set(response, SESSION_COOKIE, tokens[0], seconds)
        others = tokens[1 : 1 + MAX_OTHER_SESSIONS]
        if others:
            self._set(response, MORE_SESSIONS_COOKIE, ".".join(others), seconds)
        response.delete_cookie(PROJECT_COOKIE)
        return response

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite="lax", secure=self._is_https, path="/"
        )
