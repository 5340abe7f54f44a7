"""Where answers are kept before they count, so that none is paid for twice: the platform, asked in batches."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import AsyncClient
from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.amounts import NANO, Amounts

logger = logging.getLogger(__name__)

PATH: Final = "/api/v1/evaluation-calls"
MAX_BATCH: Final = 100
LINGER_S: Final = 0.004
"""How long the first of a batch waits for company."""

PATIENCE_S: Final = 300.0
"""How long an answer waits for a platform that cannot be reached, before its run ends."""

T = TypeVar("T")
R = TypeVar("R")


class CacheMode(StrEnum):
    """What becomes of answers that are there already."""

    READ_WRITE = "read-write"
    """They are used, and new ones are kept."""

    REFRESH = "refresh"
    """Only those of this run are used, and new ones take the place of old ones."""

    OFF = "off"
    """Nothing is used and nothing kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall:
    """An answer, and what it took."""

    digest: str
    """64 hexadecimal digits of everything that the answer depends on."""

    reply: Mapping[str, Any]
    """Plain JSON data, where it is to be kept."""

    model: str = ""
    run_id: str = ""
    """The run that paid for it."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    currency: str = ""
    is_plain: bool = True
    """Whether the reply is the same after a way through JSON; else it cannot be kept."""


class CallCache(Protocol):
    """Keeps answers by what was asked."""

    async def find(self, digest: str) -> Mapping[str, Any] | None:
        """The reply to what was asked before; None where nothing is kept."""
        ...

    async def keep(self, call: KeptCall) -> None:
        """Keep a reply for good; returns once it survives the end of this process."""
        ...


class NoCalls:
    """Keeps nothing."""

    async def find(self, digest: str) -> Mapping[str, Any] | None:
        """None."""
        return None

    async def keep(self, call: KeptCall) -> None:
        """Nothing happens."""


class MemoryCalls:
    """Keeps answers as long as the process lives."""

    def __init__(self) -> None:
        self.calls: dict[str, KeptCall] = {}

    async def find(self, digest: str) -> Mapping[str, Any] | None:
        """The reply; None where there is none."""
        found = self.calls.get(digest)
        return None if found is None else found.reply

    async def keep(self, call: KeptCall) -> None:
        """Keep a reply; the first one stays."""
        self.calls.setdefault(call.digest, call)


class Batches(Generic[T, R]):
    """Asks for many what each asks for one: while one batch is on its way, the next gathers."""

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int = MAX_BATCH) -> None:
        self._send = send
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """What became of one item.

        Raises:
            AIPlatformError: What its batch came to.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, answer))
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        await asyncio.sleep(LINGER_S)
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                found = await self._send([item for item, _ in batch])
                for (_, answer), result in zip(batch, found, strict=True):
                    if not answer.done():
                        answer.set_result(result)
            except Exception as error:  # noqa: BLE001 - everybody in the batch is told
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)


class PlatformCalls:
    """Keeps answers in the platform, in the project of the credentials. For one event loop.

    Args:
        credentials: Where the platform is.
        run_id: Whose calls these are.
        mode: Which of those that are there may be used.
    """

    def __init__(self, credentials: Credentials, *, run_id: str, mode: CacheMode = CacheMode.READ_WRITE) -> None:
        self._client = AsyncClient(credentials)
        self._run_id = run_id
        self._mode = mode
        self._finding: Batches[str, Mapping[str, Any] | None] = Batches(self._find_all)
        self._keeping: Batches[KeptCall, None] = Batches(self._keep_all)

    async def find(self, digest: str) -> Mapping[str, Any] | None:
        """The reply; None where there is none that may be used."""
        return await self._finding.ask(digest)

    async def keep(self, call: KeptCall) -> None:
        """Keep a reply; returns once the platform has committed it."""
        await self._keeping.ask(call)

    async def spent(self) -> Amounts:
        """What the run has paid for so far, as far as it is kept."""
        answer = await self._post("GET", "", params={"run_id": self._run_id})
        nanos = sum(round(cost["amount"] * NANO) for cost in answer["costs"])
        return Amounts(calls=answer["calls"], tokens=answer["input_tokens"] + answer["output_tokens"], nanos=nanos)

    async def close(self) -> None:
        """Give connections back."""
        await self._client.close()

    async def _find_all(self, digests: Sequence[str]) -> Sequence[Mapping[str, Any] | None]:
        body: dict[str, Any] = {"digests": [*dict.fromkeys(digests)]}
        if self._mode is CacheMode.REFRESH:
            body["run_id"] = self._run_id
        found = (await self._post("POST", ":find", json=body))["items"]
        return [found.get(digest) for digest in digests]

    async def _keep_all(self, calls: Sequence[KeptCall]) -> Sequence[None]:
        items = [
            {
                "digest": call.digest,
                "reply": call.reply,
                "model": call.model,
                "run_id": call.run_id,
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "cost": call.cost,
                "currency": call.currency,
            }
            for call in calls
        ]
        await self._post("POST", ":keep", json={"items": items, "replace": self._mode is CacheMode.REFRESH})
        return [None] * len(calls)

    async def _post(self, method: str, tail: str, **options: Any) -> Any:
        """Ask until the platform answers: what was paid for is not given up because it restarts."""
        started, attempt = time.monotonic(), 0
        while True:
            try:
                return (await self._client.request(method, f"{PATH}{tail}", **options)).json()
            except AIPlatformError as error:
                is_passing = isinstance(error, TransientError | RemoteError)
                if not is_passing or time.monotonic() - started > PATIENCE_S:
                    raise _no_cache(error) from error
                attempt += 1
                if attempt == 1:
                    logger.warning("the platform does not answer; answers wait for it", extra={"problem": str(error)})
                await asyncio.sleep(random.random() * min(0.25 * 2**attempt, 5.0))  # noqa: S311 - no secret


def _no_cache(error: AIPlatformError) -> RemoteError:
    return RemoteError(
        N_("Answers that are paid for cannot be kept: {problem}"),
        hint=N_("The run stops before it pays for more. Resume it once the platform answers again."),
        reason="evaluation.cache",
        problem=str(error),
    )
