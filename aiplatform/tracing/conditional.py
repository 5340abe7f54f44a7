"""Answers that a client may have already: told apart by a tag, and not sent twice (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

_HEADERS: Final = {"cache-control": "private, no-cache", "vary": "Authorization, Cookie, X-Aiplatform-Project"}


def entity_tag(*parts: object) -> str:
    """A strong tag that changes with any of its parts."""
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the client says that it has what this tag stands for."""
    sent = ",".join(request.headers.getlist("if-none-match"))
    return any(each.strip().removeprefix("W/") in {tag, "*"} for each in sent.split(","))


def answer_unless_known(request: Request, tag: str, make: Callable[[], Any]) -> Response:
    """304 without a body where the client has what the tag stands for; else what `make` gives, as JSON."""
    headers = {**_HEADERS, "etag": tag}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(jsonable_encoder(make()), headers=headers)


def answer_by_content(request: Request, content: Any) -> Response:
    """The same for what can only be told apart by all that it says."""
    body = jsonable_encoder(content)
    tag = entity_tag(json.dumps(body, sort_keys=True))
    return answer_unless_known(request, tag, lambda: body)
