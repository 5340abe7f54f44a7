"""HTTP routes that cannot be written without saying who may call them.

`Routes` is FastAPI's router with one more argument, `permission`, which has no default. The check stands in front of
the handler, before the body is read, and the permission shows in the OpenAPI document as `x-permission`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiplatform.core.errors import AIPlatformError, TooLargeError, UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

PERMISSION_FIELD: Final = "x-permission"
BODY_FIELD: Final = "x-max-body-bytes"
MAX_BODY_BYTES: Final = 32 << 20

Handler = TypeVar("Handler", bound=Callable[..., Any])


def unauthenticated() -> UnauthenticatedError:
    """The error of a call that carries no credential at all."""
    return UnauthenticatedError(
        N_("This needs an API key."),
        hint=N_("Send it as `Authorization: Bearer <key>`, or sign in with the browser."),
        reason="auth.missing",
    )


def caller_of(connection: HTTPConnection) -> Caller:
    """Who calls, as the authentication layer found.

    Raises:
        UnauthenticatedError: Nobody known; it happens only on routes that are public.
    """
    caller = optional_caller(connection.scope)
    if caller is None:
        raise _why_nobody(connection.scope)
    return caller


def optional_caller(scope: Scope) -> Caller | None:
    """Who calls, where anybody known does: for public pages that greet who is signed in."""
    caller: Caller | None = (scope.get("state") or {}).get("caller")
    return caller


CallerDep = Annotated[Caller, Depends(caller_of)]


def enforce(scope: Scope, permission: Permission) -> None:
    """Nothing, where the request's caller may do this.

    Raises:
        UnauthenticatedError: Nobody known calls.
        PermissionDeniedError: The caller may not.
    """
    if permission is Permission.PUBLIC:
        return
    caller = optional_caller(scope)
    if caller is None:
        raise _why_nobody(scope)
    caller.require(permission)


def _why_nobody(scope: Scope) -> AIPlatformError:
    """What the authentication layer found against the credential of a public path's caller; else that none came."""
    problem: AIPlatformError | None = (scope.get("state") or {}).get("caller_problem")
    return problem or unauthenticated()


class GuardedRoute(APIRoute):
    """A route that asks for its permission before its handler, and its body, are looked at."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = (options.get("openapi_extra") or {}).get(PERMISSION_FIELD)
        if declared is None:
            raise TypeError(f"the route {path} declares no permission: use Routes.get, .post, … with permission=")
        self.permission = Permission(declared)
        self.max_body_bytes: int | None = options["openapi_extra"].get(BODY_FIELD)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind its check."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            enforce(request.scope, self.permission)
            return await handle(request if self.max_body_bytes is None else _limited(request, self.max_body_bytes))

        return guarded


class Routes(APIRouter):
    """A router whose every route declares its permission. Paths are absolute.

    Beside FastAPI's own options a route takes `max_body_bytes`: what its body may hold, `MAX_BODY_BYTES` by default,
    None for a route that streams its body away.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=GuardedRoute, **options)

    def get(self, path: str, *, permission: Permission, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        """A GET route for callers who have `permission`; options as `Routes` says."""
        return self._route("GET", path, permission, options)

    def post(self, path: str, *, permission: Permission, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        """A POST route for callers who have `permission`; options as `Routes` says."""
        return self._route("POST", path, permission, options)

    def put(self, path: str, *, permission: Permission, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        """A PUT route for callers who have `permission`; options as `Routes` says."""
        return self._route("PUT", path, permission, options)

    def patch(self, path: str, *, permission: Permission, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        """A PATCH route for callers who have `permission`; options as `Routes` says."""
        return self._route("PATCH", path, permission, options)

    def delete(self, path: str, *, permission: Permission, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        """A DELETE route for callers who have `permission`; options as `Routes` says."""
        return self._route("DELETE", path, permission, options)

    def mount_guarded(self, path: str, app: ASGIApp, *, permission: Permission) -> None:
        """Put a whole ASGI application (static files, a hosted server) under `path`, behind one permission."""
        self.routes.append(Mount(path, app=Guarded(app, permission)))

    def _route(
        self, method: str, path: str, permission: Permission, options: dict[str, Any]
    ) -> Callable[[Handler], Handler]:
        extra = {**(options.pop("openapi_extra", None) or {}), PERMISSION_FIELD: str(permission)}
        max_body_bytes = options.pop("max_body_bytes", MAX_BODY_BYTES)
        if max_body_bytes is not None and method not in {"GET", "DELETE"}:
            extra[BODY_FIELD] = max_body_bytes

        def register(handler: Handler) -> Handler:
            self.add_api_route(path, handler, methods=[method], openapi_extra=extra, **options)
            return handler

        return register


class Guarded:
    """An ASGI application behind one permission."""

    def __init__(self, app: ASGIApp, permission: Permission) -> None:
        self._app = app
        self.permission = permission

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Check, then pass on."""
        enforce(scope, self.permission)
        return self._app(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRoute:
    """One route and who may call it; `permission` is None where nobody said."""

    methods: frozenset[str]
    """Empty for a mounted application: it takes them all."""

    path: str
    permission: Permission | None


def attach(app: FastAPI, routers: Iterable[Routes]) -> None:
    """Give an application the routes of every room. Their paths are absolute, so the routes move over as they are."""
    for router in routers:
        app.router.routes.extend(router.routes)


def declared_routes(app: FastAPI | APIRouter) -> list[DeclaredRoute]:
    """Every route of an application with its permission, for the test that none lacks one and for the docs."""
    return [_declared(route) for route in app.routes]


def public_matcher(app: FastAPI | APIRouter) -> Callable[[str, str], bool]:
    """A function of method and path that says whether the route which answers them is public."""
    exact: set[tuple[str, str]] = set()
    patterns: list[tuple[frozenset[str], Any]] = []
    for route in app.routes:
        found = _declared(route)
        if found.permission is not Permission.PUBLIC:
            continue
        if found.methods and "{" not in found.path:
            exact.update((method, found.path) for method in found.methods)
        else:
            patterns.append((found.methods, route.path_regex))  # type: ignore[attr-defined]

    def is_public(method: str, path: str) -> bool:
        method = "GET" if method == "HEAD" else method
        return (method, path) in exact or any(
            (not methods or method in methods) and regex.match(path) is not None for methods, regex in patterns
        )

    return is_public


def _limited(request: Request, max_bytes: int) -> Request:
    """The request, whose body ends in an error where it is larger: what it says of itself is not trusted alone."""
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_large(max_bytes)
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            # FastAPI turns any other error of reading a body into a 400 that says nothing.
            raise HTTPException(413, str(_too_large(max_bytes)))
        return message

    return Request(request.scope, receive, request._send)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        N_("The body of this request may hold {limit} bytes."),
        hint=N_("Put large files under /api/v1/artifacts, and name them."),
        reason="request.too_large",
        limit=max_bytes,
    )


def _declared(route: BaseRoute) -> DeclaredRoute:
    inner = getattr(route, "app", None)
    permission = route.permission if isinstance(route, GuardedRoute) else getattr(inner, "permission", None)
    methods = frozenset(getattr(route, "methods", None) or ()) - {"HEAD"}
    return DeclaredRoute(methods=methods, path=getattr(route, "path", repr(route)), permission=permission)
