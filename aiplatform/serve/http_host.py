"""Models reached over HTTP at their replicas' own addresses, each call signed.

A call costs about a third of the same call by handle (the ADR has the figures), and bytes are all that crosses: the
door opens nothing that a process with a user's code has pickled.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import aiohttp

from aiplatform.serve.faults import busy, refused, unreachable
from aiplatform.serve.ports import ModelCall
from aiplatform.serve.replica import CALL_PATH, STREAM_PATH
from aiplatform.serve.signing import DoorKeys, sign
from aiplatform.serve.wire import decode

CONNECT_TIMEOUT_S: Final = 5.0
MAX_CONNECTIONS: Final = 512
MAX_ATTEMPTS: Final = 3
RETRY_S: Final = 0.2
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)


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

    def __init__(self, addresses: Addresses, keys: DoorKeys) -> None:
        self._addresses = addresses
        self._keys = keys
        self._secrets: dict[str, bytes] = {}
        self._turn = itertools.count()
        self._session: aiohttp.ClientSession | None = None

    async def call(self, call: ModelCall) -> bytes:
        """The model's whole answer, as JSON.

        Raises:
            TransientError: No replica can be reached, or all have too much to do.
            RemoteError: The replica does not know this door.
        """
        try:
            async with self._answer(call, CALL_PATH) as response:
                return await response.read()
        except aiohttp.ClientError as error:
            raise self._lost(call, error) from error

    async def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """The model's answer as JSON chunks, as they come.

        Raises:
            TransientError: No replica can be reached, it has too much to do, or it was lost midway.
            RemoteError: The replica does not know this door.
        """
        try:
            async with self._answer(call, STREAM_PATH) as response:
                async for line in response.content:
                    if len(line) > 1:
                        yield line
        except aiohttp.ClientError as error:
            raise self._lost(call, error) from error

    async def close(self) -> None:
        """Give connections back."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def _answer(self, call: ModelCall, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of a replica that took the call.

        One that nothing connects to has not seen the call, so the next is asked; after that nothing is repeated.
        """
        headers = self._headers(call)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            url = await self._url(call, path)
            try:
                response = await self._opened().post(url, data=call.body, headers=headers)
            except aiohttp.ClientConnectorError:
                self._addresses.forget(call.application)
                if attempt == MAX_ATTEMPTS:
                    raise
                await asyncio.sleep(RETRY_S * (attempt - 1))
                continue
            async with response:
                await _require_answered(call, response)
                yield response
            return

    async def _url(self, call: ModelCall, path: str) -> str:
        known = await self._addresses.of(call.application)
        if not known:
            self._addresses.forget(call.application)
            raise unreachable(call)
        return known[next(self._turn) % len(known)] + path

    def _headers(self, call: ModelCall) -> dict[str, str]:
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

    def _opened(self) -> aiohttp.ClientSession:
        # Made on the event loop that it will always run on.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
                timeout=_TIMEOUT,
                trust_env=False,
                read_bufsize=MAX_LINE_BYTES,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept", "accept-encoding"),
            )
        return self._session

    def _lost(self, call: ModelCall, error: aiohttp.ClientError) -> Exception:
        self._addresses.forget(call.application)
        return unreachable(call, error)


async def _require_answered(call: ModelCall, response: aiohttp.ClientResponse) -> None:
    if response.status == 200:
        return
    if response.status in {429, 503}:  # Serve's own words, before the call reached the replica
        raise busy(call)
    if response.status == 401:
        raise refused(call)
    decode(await response.read())
    raise unreachable(call)
