"""A caller that keeps nothing and shares no limit: for code that runs in no evaluation, such as the worker."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final
from weakref import WeakKeyDictionary

import httpx
from opentelemetry import propagate

from aiplatform.client.credentials import find_credentials, openai_url
from aiplatform.core.errors import (
    InvalidError,
    PermissionDeniedError,
    RemoteError,
    TransientError,
    UnauthenticatedError,
)
from aiplatform.core.i18n import N_
from aiplatform.eval.calling import ChatEndpoint, ChatReply, ChatRequest

MAX_ATTEMPTS: Final = 4
MAX_WAIT_S: Final = 20.0
IN_FLIGHT: Final = 32
_RETRIED: Final = frozenset({408, 409, 429, 500, 502, 503, 504})


class PlainCaller:
    """Asks over HTTP, tries again what may pass, and stops at a key that is not known."""

    def __init__(self) -> None:
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, asyncio.Semaphore]] = (
            WeakKeyDictionary()
        )

    async def chat(self, endpoint: ChatEndpoint, request: ChatRequest) -> ChatReply:
        """The endpoint's answer.

        Raises:
            UnauthenticatedError: The endpoint knows no such key.
            PermissionDeniedError: The key may not.
            InvalidError: The endpoint does not take the request.
            TransientError: It could not be reached, or failed again and again.
            RemoteError: What it answers is no completion.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            self._open[loop] = httpx.AsyncClient(), asyncio.Semaphore(IN_FLIGHT)
        http, limit = self._open[loop]
        async with limit:
            started = time.perf_counter()
            response = await _asked(http, endpoint, request)
        return _reply(response, (time.perf_counter() - started) * 1000)


async def _asked(http: httpx.AsyncClient, endpoint: ChatEndpoint, request: ChatRequest) -> httpx.Response:
    url = (endpoint.url or openai_url()).rstrip("/")
    key = _key(endpoint)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    propagate.inject(headers)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            response = await http.post(
                f"{url}/chat/completions", json=request.body, headers=headers, timeout=endpoint.timeout_s
            )
        except httpx.TransportError as error:
            if attempt == MAX_ATTEMPTS:
                raise TransientError(
                    N_("The judge at {url} cannot be reached: {problem}"),
                    reason="judge.unreachable",
                    url=url,
                    problem=str(error) or type(error).__name__,
                ) from None
        else:
            if response.status_code not in _RETRIED or attempt == MAX_ATTEMPTS:
                return response
        await asyncio.sleep(min(0.5 * 2.0 ** (attempt - 1), MAX_WAIT_S))
    raise AssertionError("unreachable")


def _key(endpoint: ChatEndpoint) -> str:
    # The platform's key never goes to another address.
    if endpoint.key or (endpoint.url and endpoint.url.rstrip("/") != openai_url()):
        return endpoint.key or os.environ.get("OPENAI_API_KEY", "")
    return find_credentials().current_key()


def _reply(response: httpx.Response, latency_ms: float) -> ChatReply:
    text = response.text[:300]
    if response.status_code == 401:
        raise UnauthenticatedError(N_("The judge's endpoint does not know the key: {answer}"), answer=text)
    if response.status_code == 403:
        raise PermissionDeniedError(N_("The judge's endpoint refuses the key: {answer}"), answer=text)
    if 400 <= response.status_code < 500:
        raise InvalidError(N_("The judge's endpoint does not take the request: {answer}"), answer=text)
    if response.is_error:
        raise TransientError(
            N_("The judge's endpoint failed: HTTP {status}: {answer}"), status=response.status_code, answer=text
        )
    try:
        body: dict[str, Any] = response.json()
        choice = body["choices"][0]
    except (ValueError, LookupError, TypeError):
        raise RemoteError(N_("The judge's endpoint answers with no completion: {answer}"), answer=text) from None
    usage = body.get("usage") or {}
    return ChatReply(
        message=choice["message"],
        model=body.get("model", ""),
        finish_reason=choice.get("finish_reason") or "",
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        latency_ms=latency_ms,
        extra=body.get("aiplatform") or {},
    )
