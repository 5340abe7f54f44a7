"""HTTP to the control plane: keys, retries, and errors raised as they were answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import httpx

from aiplatform.client.credentials import Credentials, find_credentials
from aiplatform.core.errors import AIPlatformError, TransientError, error_for_status
from aiplatform.core.i18n import N_

PROJECT_HEADER: Final = "x-aiplatform-project"
TIMEOUT_S: Final = 60.0
MAX_ATTEMPTS: Final = 4
BACKOFF_S: Final = 0.25
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class Client:
    """One caller's view of the control plane. Thread safe."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.credentials = credentials or find_credentials()
        self._http = httpx.Client(base_url=self.credentials.url, timeout=timeout_s, transport=transport)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> httpx.Response:
        """Ask, and return the answer where it is a success.

        Connection errors and 502, 503, 504 are tried again with doubling waits where repeating is harmless.

        Args:
            idempotent: Whether repeating is harmless; by default GET, HEAD, PUT and DELETE are.

        Raises:
            AIPlatformError: The class that the answer's status stands for, with the server's own message.
            TransientError: The platform cannot be reached.
        """
        repeatable = (method in _SAFE_METHODS if idempotent is None else idempotent) and not isinstance(
            content, Iterator
        )
        for attempt in range(1, MAX_ATTEMPTS + 1):
            last = attempt == MAX_ATTEMPTS or not repeatable
            try:
                response = self._http.request(
                    method, path, json=json, params=_present(params), content=content, headers=self._headers(headers)
                )
            except httpx.TransportError as error:
                if last:
                    raise _unreachable(self.credentials.url, error) from error
                time.sleep(BACKOFF_S * 2 ** (attempt - 1))
                continue
            if response.status_code in {502, 503, 504} and not last:
                time.sleep(_wait_s(response, attempt))
                continue
            raise_for_error(response)
            return response
        raise AssertionError("unreachable")

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at `path`."""
        return self.request("GET", path, params=params).json()

    def post(self, path: str, json: Any = None, *, idempotent: bool = False, **params: Any) -> Any:
        """Post JSON and return the answer's JSON; None where the answer is empty."""
        return _json(self.request("POST", path, json=json, params=params, idempotent=idempotent))

    def put(self, path: str, json: Any = None, **params: Any) -> Any:
        """Put JSON and return the answer's JSON; None where the answer is empty."""
        return _json(self.request("PUT", path, json=json, params=params))

    def delete(self, path: str, **params: Any) -> None:
        """Delete what is at `path`."""
        self.request("DELETE", path, params=params)

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer whose body is read as it arrives.

        Raises:
            AIPlatformError: As `request` does.
        """
        headers = self._headers(options.pop("headers", None))
        try:
            with self._http.stream(method, path, headers=headers, **options) as response:
                if response.is_error:
                    response.read()
                raise_for_error(response)
                yield response
        except httpx.TransportError as error:
            raise _unreachable(self.credentials.url, error) from error

    def close(self) -> None:
        """Give connections back."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {**auth_headers(self.credentials), **(more or {})}


class AsyncClient:
    """The same for an event loop."""

    def __init__(self, credentials: Credentials | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.credentials = credentials or find_credentials()
        self._http = httpx.AsyncClient(base_url=self.credentials.url, timeout=timeout_s)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask once, and return the answer where it is a success.

        Raises:
            AIPlatformError: As `Client.request` does.
        """
        headers = {**auth_headers(self.credentials), **(options.pop("headers", None) or {})}
        try:
            response = await self._http.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            raise _unreachable(self.credentials.url, error) from error
        raise_for_error(response)
        return response

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """An answer whose body is read as it arrives."""
        headers = {**auth_headers(self.credentials), **(options.pop("headers", None) or {})}
        async with self._http.stream(method, path, headers=headers, **options) as response:
            if response.is_error:
                await response.aread()
            raise_for_error(response)
            yield response

    async def close(self) -> None:
        """Give connections back."""
        await self._http.aclose()


def auth_headers(credentials: Credentials) -> dict[str, str]:
    """The headers that say who asks and for which project."""
    return {"authorization": f"Bearer {credentials.current_key()}", PROJECT_HEADER: credentials.project_id}


def raise_for_error(response: httpx.Response) -> None:
    """Raise the error that an answer carries; do nothing on success."""
    if not response.is_error:
        return
    kind = error_for_status(response.status_code)
    try:
        error = response.json()["error"]
        message, hint, code = error["message"], error.get("hint"), error.get("code")
    except (ValueError, KeyError, TypeError):
        message, hint, code = response.text[:500] or response.reason_phrase, None, None
    raise kind(message, hint=hint, reason=code, retry_after_s=_retry_after_s(response))


def _json(response: httpx.Response) -> Any:
    return response.json() if response.content else None


def _present(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {key: value for key, value in params.items() if value is not None} if params else None


def _retry_after_s(response: httpx.Response) -> float | None:
    header = response.headers.get("retry-after", "")
    return float(header) if header.replace(".", "", 1).isdigit() else None


def _wait_s(response: httpx.Response, attempt: int) -> float:
    asked = _retry_after_s(response)
    return min(asked, 5.0) if asked is not None else BACKOFF_S * 2 ** (attempt - 1)


def _unreachable(url: str, error: httpx.TransportError) -> AIPlatformError:
    return TransientError(
        N_("The platform at {url} cannot be reached: {problem}."),
        hint=N_("`aiplatform status` tells whether it runs; `aiplatform up` starts it."),
        reason="client.unreachable",
        url=url,
        problem=str(error) or type(error).__name__,
    )
