"""How a row's answer comes about: a function, an OpenAI-compatible endpoint, or what the data already hold."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import hashlib
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

from aiplatform.client.credentials import openai_url
from aiplatform.eval.calling import ChatEndpoint, ChatRequest, active_caller, stops_run
from aiplatform.eval.calling.caller import PaidCaller
from aiplatform.eval.calling.keeping import KeptCall
from aiplatform.eval.calling.limiting import DEFAULT_IN_FLIGHT
from aiplatform.eval.calling.scope import CallScope, call_scope, current_scope
from aiplatform.eval.calling.tasks import all_settled, worker_limit
from aiplatform.eval.loading import name_of
from aiplatform.eval.model import ModelKind, ModelRef
from aiplatform.eval.scorers import Row
from aiplatform.eval.statistics.hashing import canonical_json

NO_OUTPUT: Final = "the data hold no output"
DEFAULT_ASYNC_IN_FLIGHT: Final = 8
TIMEOUT_S: Final = 120.0

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

        Calls that cost something go through `aiplatform.eval.calling.active_caller()`.

        Raises:
            AIPlatformError: One that `stops_run`: every further call would fail too.
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
    """Most calls of the whole run at a time; fewer where the endpoint refuses more."""

    timeout_s: float = TIMEOUT_S
    options: Mapping[str, Any] = field(default_factory=dict)
    """Decoding: `temperature`, `max_tokens`, `seed` and whatever else the endpoint takes."""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        return ModelRef(
            kind=ModelKind.ENDPOINT, name=self.model, version=self.version, endpoint=self.url or openai_url()
        )

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row, of which the caller in scope makes those that are not kept yet."""
        return await _gathered(rows, self._answer)

    async def _answer(self, row: Row) -> Answer:
        endpoint = ChatEndpoint(url=self.url, key=self.key, timeout_s=self.timeout_s)
        messages = row.input if isinstance(row.input, list) else [{"role": "user", "content": str(row.input)}]
        request = ChatRequest(model=self.model, messages=tuple(messages), options=self.options)
        reply = await active_caller().chat(endpoint, request)
        output = {"answer": reply.text, **reply.extra}
        return Answer(output=output, latency_ms=reply.latency_ms, trace_id=reply.trace_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionModel:
    """A function, or a class that is made once in each worker."""

    function: Function
    batch: bool = False
    """Whether it takes a list of inputs and returns a list of outputs."""

    in_flight: int | None = None
    """Calls of a worker at a time; by default 8 of an async function, else 1."""

    version: str = ""
    cache_key: str = ""
    """With one, other runs of the same function and key use its answers too; else only this run does when resumed."""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        return ModelRef(kind=ModelKind.CALLABLE, name=name_of(self.function), version=self.version)

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
        in_flight = self.in_flight or (DEFAULT_ASYNC_IN_FLIGHT if self.is_async else 1)
        limit = worker_limit(self.ref.name, in_flight)
        if self.is_async:
            return await _gathered(rows, lambda row: self._kept(row, traced, limit, self._awaited))
        with ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="model") as pool:
            in_thread = functools.partial(self._in_thread, pool)
            return await _gathered(rows, lambda row: self._kept(row, traced, limit, in_thread))

    @property
    def is_async(self) -> bool:
        """Whether it is awaited."""
        return is_async(self.function)

    def _digest(self, row: Row) -> str:
        """What an answer is kept under; every run has its own unless a key says what the function is."""
        scope = current_scope()
        whose = ["key", self.cache_key] if self.cache_key else ["run", scope.run_id if scope else ""]
        asked = canonical_json(["function", self.ref.name, whose, row.input])
        return hashlib.sha256(asked.encode()).hexdigest()

    async def _kept(
        self, row: Row, traced: Traced, limit: asyncio.Semaphore, call: Callable[[Row], Awaitable[Any]]
    ) -> Answer:
        async def pay() -> KeptCall:
            async with limit:
                started = time.perf_counter()
                output, trace_id = await traced(row, lambda: call(row))
                latency_ms = (time.perf_counter() - started) * 1000
            return self._call(output, latency_ms, trace_id)

        caller = active_caller()
        if not isinstance(caller, PaidCaller):
            return _answer_of((await pay()).reply)
        reply, _ = await caller.once(self._digest(row), pay)
        return _answer_of(reply)

    def _call(self, output: Any, latency_ms: float, trace_id: str) -> KeptCall:
        reply = {"output": output, "latency_ms": latency_ms, "trace_id": trace_id}
        return KeptCall(digest="", reply=reply, model=self.ref.name, is_plain=is_plain(output))

    async def _awaited(self, row: Row) -> Any:
        return await self.function(row.input)

    async def _in_thread(self, pool: ThreadPoolExecutor, row: Row) -> Any:
        context = contextvars.copy_context()
        call = functools.partial(context.run, self.function, row.input)
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def _batch(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One call for all rows whose answers are not kept yet: they share its trace, and its time in equal parts."""
        caller = active_caller()
        if not isinstance(caller, PaidCaller):
            return await self._called(rows, traced)
        digests = [self._digest(row) for row in rows]
        known = await asyncio.gather(*(caller.find(digest) for digest in digests))
        open_rows = [row for row, reply in zip(rows, known, strict=True) if reply is None]
        made = iter(await self._called(open_rows, traced) if open_rows else ())
        answers = [next(made) if reply is None else _answer_of(reply) for reply in known]
        calls = [
            (digest, self._call(answer.output, answer.latency_ms or 0.0, answer.trace_id))
            for digest, answer, reply in zip(digests, answers, known, strict=True)
            if reply is None and not answer.error
        ]
        await asyncio.gather(*(caller.keep(digest, call) for digest, call in calls if call.is_plain))
        return answers

    async def _called(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        async def call() -> Any:
            found = self.function([row.input for row in rows])
            return await found if inspect.isawaitable(found) else found

        started = time.perf_counter()
        try:
            outputs, trace_id = await traced(rows[0], call)
            outputs = list(outputs)
            if len(outputs) != len(rows):
                raise ValueError(f"the batch function returned {len(outputs)} outputs for {len(rows)} inputs")
        except Exception as error:
            if stops_run(error):
                raise
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


async def _gathered(rows: Sequence[Row], answer: Callable[[Row], Awaitable[Answer]]) -> list[Answer]:
    """An answer for every row, asked for side by side, each in the scope of its row.

    Raises:
        AIPlatformError: One that ends the run, once the calls under way have come to their end.
    """
    block = current_scope() or CallScope()

    async def one(row: Row) -> Answer:
        with call_scope(block.within(row_id=row.row_id)):
            try:
                return await answer(row)
            except Exception as error:
                if stops_run(error):
                    raise
                return Answer(error=_told(error), trace_id=getattr(error, "trace_id", ""))

    return await all_settled([one(row) for row in rows])


def is_async(function: Function) -> bool:
    """Whether what a function or an object gives is awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def is_plain(value: Any) -> bool:
    """Whether a value is the same after a way through JSON."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError, RecursionError):
        return False


def _answer_of(reply: Mapping[str, Any]) -> Answer:
    return Answer(output=reply["output"], latency_ms=reply["latency_ms"], trace_id=reply["trace_id"])


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
