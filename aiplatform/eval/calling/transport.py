"""One attempt of one chat call over HTTP. aiohttp, because a call here costs a third of the CPU that httpx takes."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from aiplatform.client.credentials import Credentials
from aiplatform.eval.calling.chat import ChatEndpoint, ChatReply, ChatRequest
from aiplatform.eval.calling.retrying import CallError, Fault, seconds_of
from aiplatform.tracing.sdk import current_traceparent

MAX_TOLD: Final = 300


class ChatTransport:
    """Carries chat calls to OpenAI-compatible endpoints. For one event loop; close it at the end.

    Args:
        credentials: Of the platform, whose own address an endpoint without one stands for.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._http: aiohttp.ClientSession | None = None

    async def attempt(self, endpoint: ChatEndpoint, request: ChatRequest) -> ChatReply:
        """One answer.

        Raises:
            CallError: There is none, whatever the reason.
        """
        url = f"{self.url_of(endpoint)}/chat/completions"
        headers = {"authorization": f"Bearer {key}"} if (key := self.key_of(endpoint)) else {}
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        timeout = aiohttp.ClientTimeout(total=endpoint.timeout_s)
        started = time.perf_counter()
        try:
            async with self._session().post(url, json=request.body, headers=headers, timeout=timeout) as response:
                content = await response.read()
        except TimeoutError as error:
            raise CallError(Fault.TIMEOUT, f"no answer within {endpoint.timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise CallError(Fault.CONNECTION, f"{type(error).__name__}: {error}"[:MAX_TOLD]) from error
        if response.status >= 400:
            told = content.decode(errors="replace")[:MAX_TOLD]
            after = seconds_of(response.headers.get("retry-after", ""))
            raise CallError(Fault.STATUS, told, status=response.status, retry_after_s=after)
        return parse_reply(content, latency_ms=(time.perf_counter() - started) * 1000)

    def url_of(self, endpoint: ChatEndpoint) -> str:
        """Where an endpoint is, up to `/v1`."""
        return endpoint.url.rstrip("/") or f"{self._credentials.url if self._credentials else ''}/v1"

    def key_of(self, endpoint: ChatEndpoint) -> str:
        """The key for an endpoint: its own, the platform's at the platform's address alone, else `OPENAI_API_KEY`."""
        if endpoint.key:
            return endpoint.key
        if self._credentials is not None and self.url_of(endpoint) == f"{self._credentials.url}/v1":
            return self._credentials.current_key()
        return os.environ.get("OPENAI_API_KEY", "")

    async def close(self) -> None:
        """Give connections back."""
        if self._http is not None:
            await self._http.close()
            # Sockets are closed in the loop's next turns.
            await asyncio.sleep(0)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            # The gate limits what is in flight; a second limit here would hide calls from it.
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
            self._http = aiohttp.ClientSession(connector=connector)
        return self._http


def parse_reply(content: bytes, *, latency_ms: float | None = None) -> ChatReply:
    """The reply that a body holds.

    Raises:
        CallError: It is none.
    """
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        if not isinstance(message, Mapping):
            raise TypeError("the message is no object")
        usage: Mapping[str, Any] = body.get("usage") or {}
        return ChatReply(
            message=message,
            model=str(body.get("model") or ""),
            finish_reason=str(choice.get("finish_reason") or ""),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            latency_ms=latency_ms,
            extra=body.get("aiplatform") or message.get("aiplatform") or {},
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        told = content.decode(errors="replace")[:MAX_TOLD]
        raise CallError(Fault.MALFORMED, f"the answer is no completion ({type(error).__name__}): {told}") from error


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
