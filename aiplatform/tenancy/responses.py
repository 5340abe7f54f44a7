"""How every edge answers with an error: one JSON body, or a page where a browser asks for one."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from aiplatform.core.errors import AIPlatformError, InvalidError, UnauthenticatedError, error_for_status
from aiplatform.core.i18n import DEFAULT_LOCALE, N_

logger = logging.getLogger(__name__)

SIGN_IN_PATH: Final = "/sign-in"

ErrorPage = Callable[[Scope, AIPlatformError], "Response | None"]
"""Draws an error for a browser; None leaves it to the JSON body."""


class InternalError(AIPlatformError):
    """Something broke that nobody foresaw; its cause stands in the log beside the request id."""


class UnprocessableError(InvalidError):
    """The request is well formed, and one of its fields is not what the route takes."""

    http_status = 422


class UnknownPathError(InvalidError):
    """Nothing answers at this path."""

    code = "not_found"
    http_status = 404
    grpc_status = "UNIMPLEMENTED"


class MethodError(InvalidError):
    """The path is known, and not with this method."""

    code = "method_not_allowed"
    http_status = 405
    grpc_status = "UNIMPLEMENTED"


def locale_of(scope: Scope) -> str:
    """The reader's language, as the authentication layer found it."""
    locale: str = (scope.get("state") or {}).get("locale", DEFAULT_LOCALE)
    return locale


def request_id_of(scope: Scope) -> str | None:
    """The request's id."""
    request_id: str | None = (scope.get("state") or {}).get("request_id")
    return request_id


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for a page or a part of one: it names HTML or itself, programs name JSON or anything."""
    headers = scope.get("headers", ())
    return any((name == b"accept" and b"text/html" in value) or name == b"hx-request" for name, value in headers)


def error_response(scope: Scope, error: AIPlatformError, page: ErrorPage | None = None) -> Response:
    """The answer to a request that failed, in the reader's language."""
    headers = error_headers(error)
    if page is not None and wants_page(scope):
        drawn = sign_in_redirect(scope) if isinstance(error, UnauthenticatedError) else None
        drawn = drawn or page(scope, error)
        if drawn is not None:
            drawn.headers.update(headers)
            return drawn
    body = error.body(locale_of(scope), request_id_of(scope))
    return Response(
        json.dumps(body, ensure_ascii=False),
        status_code=error.http_status,
        headers=headers,
        media_type="application/json",
    )


def error_headers(error: AIPlatformError) -> dict[str, str]:
    """What stands in the head of an answer to a request that failed."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="aiplatform"'
    return headers


def sign_in_redirect(scope: Scope) -> Response | None:
    """Where a browser that is not signed in goes; None from the sign-in page itself and for requests by scripts."""
    if scope["method"] not in {"GET", "HEAD"} or scope["path"] == SIGN_IN_PATH:
        return None
    headers = dict(scope["headers"])
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope["path"] + (f"?{query}" if query else "")
    if current := headers.get(b"hx-current-url"):
        # A part of a page is asked for: its reader comes back to the page.
        page = urlsplit(current.decode("latin-1"))
        target = page.path + (f"?{page.query}" if page.query else "")
    location = SIGN_IN_PATH if target == "/" else f"{SIGN_IN_PATH}?next={quote(target, safe='/')}"
    if b"hx-request" in headers:
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"hx-redirect": location})
    return RedirectResponse(location, status_code=HTTPStatus.SEE_OTHER)


def unforeseen(error: Exception) -> InternalError:
    """What a caller is told of an error that nobody foresaw; the log has the rest."""
    logger.error("a request failed", exc_info=error)
    return InternalError(
        N_("Something went wrong here."),
        hint=N_("Try again; if it stays, give the operator the request id, under which the log has the cause."),
    )


def install_error_handlers(app: FastAPI, page: ErrorPage | None = None) -> None:
    """Make an application answer every error in the one shape, those of FastAPI and Starlette included."""

    async def on_error(request: Request, error: Exception) -> Response:
        return error_response(request.scope, as_platform_error(error), page)

    for kind in (AIPlatformError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, on_error)


def as_platform_error(error: Exception) -> AIPlatformError:
    """The error of our tree that stands for any exception."""
    match error:
        case AIPlatformError():
            return error
        case RequestValidationError():
            return _field_error(list(error.errors()))
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return UnknownPathError(
                N_("There is nothing at this path."), hint=N_("Check the path; /api/v1/openapi.json lists the API.")
            )
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            return MethodError(
                N_("This path does not take this method."), hint=N_("/api/v1/openapi.json lists what it takes.")
            )
        case HTTPException():
            return error_for_status(error.status_code)(str(error.detail))
    return unforeseen(error)


def _field_error(problems: list[Any]) -> UnprocessableError:
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return UnprocessableError(
        N_("{place}: {problem}."),
        hint=N_("/api/v1/openapi.json says what the route takes."),
        reason="request.invalid",
        place=place,
        problem=str(first["msg"]).rstrip("."),
    )
