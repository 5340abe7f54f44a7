"""The one layer in front of every HTTP entry: who calls, for which project, in which language, under which request id.

Pure ASGI, so that the pages and the management API (FastAPI), the raw entries under `/v1` and the hosted MLflow server
share it. Nothing is let through without a caller unless its route says it is public.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import negotiate
from aiplatform.core.settings import Settings
from aiplatform.tenancy.admission import Admission
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.credentials import LOCALE_COOKIE, cookie_value, credential_of
from aiplatform.tenancy.hosts import check_same_site, host_check
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.request import REQUEST_ID, request_id_from
from aiplatform.tenancy.responses import ErrorPage, as_platform_error, error_response, install_error_handlers
from aiplatform.tenancy.routing import public_matcher, unauthenticated

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_PAGE_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final = (b"cache-control", b"no-store")

IsPublic = Callable[[str, str], bool]


def nothing_is_public(_method: str, _path: str) -> bool:
    """What holds where no route says otherwise."""
    return False


class AuthenticationMiddleware:
    """Finds the caller and puts them, with language and request id, into `scope["state"]`.

    Args:
        app: What answers.
        authenticator: Finds callers.
        settings: Tells the names that the platform answers to.
        is_public: Of method and path, whether nobody need be known there.
        error_page: Draws errors for browsers.
        admission: Counts requests against their tenant's limits.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        settings: Settings,
        *,
        is_public: IsPublic = nothing_is_public,
        error_page: ErrorPage | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._app = app
        self._admission = admission
        self._authenticator = authenticator
        self._check_host = host_check(settings)
        self._is_public = is_public
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            # No entry of the platform speaks WebSocket: refuse rather than let one past the check.
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = headers.get("cookie")
        request_id = request_id_from(headers.get("x-request-id"))
        state: dict[str, Any] = {
            **(scope.get("state") or {}),
            "request_id": request_id,
            "received_ns": time.time_ns(),
            "locale": negotiate(
                cookie_value(cookie, LOCALE_COOKIE) if cookie else None, headers.get("accept-language")
            ),
            "caller": None,
        }
        scope["state"] = state
        REQUEST_ID.set(request_id)
        answer = _Answer(send, request_id)
        try:
            self._check_host(headers.get("host", ""))
            state["caller"] = await self._caller(scope, headers)
            async with self._admitted(state["caller"]):
                await self._app(scope, receive, answer)
        except Exception as error:
            if answer.has_started:
                raise
            response = error_response(scope, as_platform_error(error), self._error_page)
            await response(scope, receive, answer)

    def _admitted(self, caller: Caller | None) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._admission is None else self._admission.request(caller)

    async def _caller(self, scope: Scope, headers: dict[str, str]) -> Caller | None:
        if self._is_public(scope["method"], scope["path"]):
            check_same_site(scope["method"], headers, has_cookie=False)
            try:
                return await self._known(scope, headers)
            except AIPlatformError as problem:
                # Health answers though the database is away; who asks for a caller all the same is told this.
                scope["state"]["caller_problem"] = problem
                return None
        caller = await self._known(scope, headers)
        if caller is None:
            raise unauthenticated()
        return caller

    async def _known(self, scope: Scope, headers: dict[str, str]) -> Caller | None:
        credential = credential_of(headers)
        if credential is None:
            return None
        if credential.is_session:
            check_same_site(scope["method"], headers, has_cookie=True)
        caller = self._authenticator.remembered(credential)
        return caller or await self._authenticator.look_up_aside(credential)


class _Answer:
    """Sends an answer with the request id and, on pages, what keeps a browser safe."""

    __slots__ = ("_request_id", "_send", "has_started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = list(message.get("headers", ()))
            known = dict(headers)
            more = [_NO_SNIFFING, (b"x-request-id", self._request_id.encode())]
            if known.get(b"content-type", b"").startswith(b"text/html"):
                more += [*_PAGE_HEADERS, _NO_STORE]
            message = {**message, "headers": headers + [pair for pair in more if pair[0] not in known]}
        await self._send(message)


def secure(
    app: FastAPI,
    authenticator: Authenticator,
    settings: Settings,
    *,
    error_page: ErrorPage | None = None,
    admission: Admission | None = None,
) -> FastAPI:
    """Put the layer in front of a FastAPI application, once all its routes are there. Returns the same application."""
    install_error_handlers(app, error_page)
    app.add_middleware(
        AuthenticationMiddleware,
        authenticator=authenticator,
        settings=settings,
        is_public=public_matcher(app),
        error_page=error_page,
        admission=admission,
    )
    return app
