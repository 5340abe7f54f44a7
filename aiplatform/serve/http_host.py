"""Models reached over HTTP at their replicas' own addresses, each call signed."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol

import httpx

from aiplatform.core.errors import AIPlatformError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.serve.ports import ModelCall
from aiplatform.serve.replica import CALL_PATH, STREAM_PATH
from aiplatform.serve.signing import DoorKeys, sign
from aiplatform.serve.wire import decode

CONNECT_TIMEOUT_S: Final = 5.0
MAX_CONNECTIONS: Final = 256


class Addresses(Protocol):
    """Where an application's replicas listen."""

    async def of(self, application: str) -> Sequence[str]:
        """Base addresses, `http://127.0.0.1:30000`; empty where none listens."""
        ...

    def forget(self, application: str) -> None:
        """Look again before the next call: an address did not answer."""
        ...


class HttpHost:
    """Calls replicas over HTTP, one after the other in turn. Belongs to one event loop."""

    def __init__(
        self, addresses: Addresses, keys: DoorKeys, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._addresses = addresses
        self._keys = keys
        self._secrets: dict[str, bytes] = {}
        self._turn = itertools.count()
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
        )

    async def call(self, call: ModelCall) -> bytes:
        """The model's whole answer, as JSON.

        Raises:
            TransientError: No replica can be reached.
        """
        url = await self._url(call, CALL_PATH)
        try:
            response = await self._http.post(url, content=call.body, headers=self._headers(call))
        except httpx.TransportError as error:
            raise self._lost(call, error) from error
        return response.content

    async def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """The model's answer as JSON chunks, as they come.

        Raises:
            TransientError: No replica can be reached, or it was lost midway.
        """
        url = await self._url(call, STREAM_PATH)
        try:
            async with self._http.stream("POST", url, content=call.body, headers=self._headers(call)) as response:
                if response.is_error:
                    decode(await response.aread())
                async for line in response.aiter_lines():
                    if line:
                        yield line.encode()
        except httpx.TransportError as error:
            raise self._lost(call, error) from error

    async def close(self) -> None:
        """Give connections back."""
        await self._http.aclose()

    async def _url(self, call: ModelCall, path: str) -> str:
        known = await self._addresses.of(call.application)
        if not known:
            raise unreachable(call, None)
        return known[next(self._turn) % len(known)] + path

    def _headers(self, call: ModelCall) -> Mapping[str, str]:
        secret = self._secrets.get(call.application)
        if secret is None:
            secret = self._secrets[call.application] = self._keys.of(call.application)
        headers = sign(secret, call, now_s=int(time.time()))
        if call.traceparent:
            headers["traceparent"] = call.traceparent
        if call.tracestate:
            headers["tracestate"] = call.tracestate
        headers["content-type"] = "application/json"
        return headers

    def _lost(self, call: ModelCall, error: httpx.TransportError) -> AIPlatformError:
        self._addresses.forget(call.application)
        return unreachable(call, error)


def unreachable(call: ModelCall, error: Exception | None) -> AIPlatformError:
    """The error of a model none of whose replicas answers."""
    return TransientError(
        N_("No replica of the model {name!r} can be reached."),
        hint=N_("It is being restored. Try again in a moment."),
        reason="model.unreachable",
        retry_after_s=2.0,
        name=call.application.rsplit(".", 1)[-1],
        problem=type(error).__name__ if error is not None else "",
    )
