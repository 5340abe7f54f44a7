"""How a row's answer comes about: a function, an OpenAI-compatible endpoint, or what the data already hold."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

import httpx

from aiplatform.client.credentials import find_credentials, openai_url
from aiplatform.core.errors import PermissionDeniedError, UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import ModelKind, ModelRef
from aiplatform.eval.scorers import Row

DEFAULT_IN_FLIGHT: Final = 8
NO_OUTPUT: Final = "the data hold no output"
TIMEOUT_S: Final = 120.0
MAX_ATTEMPTS: Final = 4
MAX_WAIT_S: Final = 20.0
_RETRIED: Final = frozenset({408, 409, 429, 500, 502, 503, 504})

Function = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one call gave."""

    output: Any = None
    error: str = ""
    latency_ms: float | None = None
    trace_id: str = ""


class Traced(Protocol):
    """Runs one row's call inside a trace of its own."""

    def __call__(self, row: Row, call: Callable[[], Awaitable[Any]]) -> Awaitable[tuple[Any, str]]:
        """The call's output, and the id of its trace."""
        ...


class Model(Protocol):
    """Answers rows."""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        ...

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row, in order. A failed call is an answer with an error.

        Raises:
            UnauthenticatedError: The endpoint knows no such key: every further call would fail too.
            PermissionDeniedError: The key may not, likewise.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible chat endpoint.

    The output is `{"answer": text}` and whatever the answer's `aiplatform` object holds (`retrieved`, `citations`,
    `confidence`, `abstained`), which is how our own deployments say more than text.
    """

    model: str
    url: str = ""
    """Address up to `/v1`; by default the platform's own."""

    key: str = field(default="", repr=False)
    """By default the platform's own key at the platform's own address, and `OPENAI_API_KEY` elsewhere."""

    version: str = ""
    in_flight: int = DEFAULT_IN_FLIGHT
    timeout_s: float = TIMEOUT_S
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False, compare=False)
    """What carries requests; by default the network."""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        return ModelRef(
            kind=ModelKind.ENDPOINT, name=self.model, version=self.version, endpoint=self.url or openai_url()
        )

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row; what may pass (429, 5xx) is tried again, what cannot (401, 403) ends the run."""
        key = self._own_key()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(timeout=self.timeout_s, headers=headers, transport=self.transport) as http:
            return await _gathered(rows, functools.partial(self._ask, http), traced, self.in_flight)

    def _own_key(self) -> str:
        # The platform's key never goes to another address.
        if self.key or (self.url and self.url.rstrip("/") != openai_url()):
            return self.key or os.environ.get("OPENAI_API_KEY", "")
        return find_credentials().current_key()

    async def _ask(self, http: httpx.AsyncClient, row: Row) -> Any:
        messages = row.input if isinstance(row.input, list) else [{"role": "user", "content": str(row.input)}]
        body = {"model": self.model, "messages": messages}
        url = f"{(self.url or openai_url()).rstrip('/')}/chat/completions"
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = await http.post(url, json=body, headers=_trace_headers())
            except httpx.TransportError:
                if attempt == MAX_ATTEMPTS:
                    raise
                await asyncio.sleep(_wait_s(None, attempt))
                continue
            if response.status_code in _RETRIED and attempt < MAX_ATTEMPTS:
                await asyncio.sleep(_wait_s(response, attempt))
                continue
            return _output(response)
        raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionModel:
    """A function, or a class that is made once in each worker."""

    function: Function
    batch: bool = False
    """Whether it takes a list of inputs and returns a list of outputs."""

    in_flight: int | None = None
    version: str = ""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        function = self.function
        named = function if inspect.isroutine(function) or inspect.isclass(function) else type(function)
        name = f"{named.__module__}:{named.__qualname__}"
        return ModelRef(kind=ModelKind.CALLABLE, name=name, version=self.version)

    def made(self) -> FunctionModel:
        """The same with an instance where it was given a class: called once in each worker."""
        if not inspect.isclass(self.function):
            return self
        make = cast("Callable[[], Function]", self.function)
        return replace(self, function=make())

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row; whatever the function raises is that row's error."""
        if self.batch:
            return await self._batch(rows, traced)
        if _is_async(self.function):
            return await _gathered(rows, self._awaited, traced, self.in_flight or DEFAULT_IN_FLIGHT)
        in_flight = self.in_flight or 1
        with ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="model") as pool:
            return await _gathered(rows, functools.partial(self._in_thread, pool), traced, in_flight)

    async def _awaited(self, row: Row) -> Any:
        return await self.function(row.input)

    async def _in_thread(self, pool: ThreadPoolExecutor, row: Row) -> Any:
        context = contextvars.copy_context()
        call = functools.partial(context.run, self.function, row.input)
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def _batch(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One call for all rows: they share its trace, and its time in equal parts."""

        async def call() -> Any:
            found = self.function([row.input for row in rows])
            return await found if inspect.isawaitable(found) else found

        started = time.perf_counter()
        try:
            outputs, trace_id = await traced(rows[0], call)
            outputs = list(outputs)
            if len(outputs) != len(rows):
                raise ValueError(f"the batch function returned {len(outputs)} outputs for {len(rows)} inputs")
        except (UnauthenticatedError, PermissionDeniedError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever user code raises is these rows' error
            return [Answer(error=_told(error)) for _ in rows]
        latency_ms = (time.perf_counter() - started) * 1000 / len(rows)
        return [Answer(output=output, latency_ms=latency_ms, trace_id=trace_id) for output in outputs]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswers:
    """The data hold the answers, in the column `output`."""

    ref: ModelRef = field(default_factory=ModelRef)

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """What each row holds."""
        return [stored_answer(row) for row in rows]


def stored_answer(row: Row) -> Answer:
    """The answer that a row holds; a row without one failed."""
    if row.output is None:
        return Answer(error=str(row.columns.get("error") or NO_OUTPUT), trace_id=row.trace_id)
    return Answer(output=row.output, latency_ms=row.latency_ms, trace_id=row.trace_id)


async def _gathered(
    rows: Sequence[Row], ask: Callable[[Row], Awaitable[Any]], traced: Traced, in_flight: int
) -> list[Answer]:
    limit = asyncio.Semaphore(in_flight)

    async def one(row: Row) -> Answer:
        async with limit:
            return await _timed(row, ask, traced)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(row)) for row in rows]
    return [task.result() for task in tasks]


async def _timed(row: Row, ask: Callable[[Row], Awaitable[Any]], traced: Traced) -> Answer:
    started = time.perf_counter()
    trace_id = ""
    try:
        output, trace_id = await traced(row, lambda: ask(row))
    except (UnauthenticatedError, PermissionDeniedError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the model raises is this row's error
        return Answer(error=_told(error), trace_id=getattr(error, "trace_id", trace_id))
    return Answer(output=output, latency_ms=(time.perf_counter() - started) * 1000, trace_id=trace_id)


def _output(response: httpx.Response) -> Any:
    if response.status_code == 401:
        raise UnauthenticatedError(
            N_("The model endpoint does not know the key: {answer}"),
            hint=N_("Every further call would fail, so the run stops here. Set the key and start again."),
            reason="evaluation.endpoint_key",
            answer=response.text[:300],
        )
    if response.status_code == 403:
        raise PermissionDeniedError(
            N_("The model endpoint refuses the key: {answer}"),
            hint=N_("Every further call would fail, so the run stops here."),
            reason="evaluation.endpoint_key",
            answer=response.text[:300],
        )
    if response.is_error:
        raise RuntimeError(f"HTTP {response.status_code}: {response.text[:500]}")
    body = response.json()
    choice = body["choices"][0]["message"]
    more = body.get("aiplatform") or choice.get("aiplatform") or {}
    return {"answer": choice.get("content") or "", **more}


def _trace_headers() -> dict[str, str]:
    from opentelemetry import propagate  # noqa: PLC0415 - only where calls are made

    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def _wait_s(response: httpx.Response | None, attempt: int) -> float:
    asked = response.headers.get("retry-after", "") if response is not None else ""
    if asked.replace(".", "", 1).isdigit():
        return min(float(asked), MAX_WAIT_S)
    return min(0.5 * 2.0 ** (attempt - 1), MAX_WAIT_S)


def _is_async(function: Function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
