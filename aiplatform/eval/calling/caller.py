"""Carries paid calls: kept before they count, limited, capped, tried again, and traced."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from opentelemetry import context as otel_context

from aiplatform.core.errors import (
    AIPlatformError,
    NotFoundError,
    PermissionDeniedError,
    RemoteError,
    UnauthenticatedError,
)
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.amounts import NANO, NOTHING, Amounts
from aiplatform.eval.calling.chat import ChatEndpoint, ChatReply, ChatRequest
from aiplatform.eval.calling.gate import Gate
from aiplatform.eval.calling.keeping import CallCache, KeptCall
from aiplatform.eval.calling.pricing import CallPrices
from aiplatform.eval.calling.retrying import MAX_ATTEMPTS, CallError, Fate, Fault, wait_s
from aiplatform.eval.calling.scope import CallCounts, CallScope, current_scope
from aiplatform.eval.calling.transport import ChatTransport
from aiplatform.tracing.sdk import Span, span

FIRST_OUTPUT_TOKENS: Final = 256
"""How long an answer is taken to be that nobody limited, until some have been seen."""

LEAST_OUTPUT_TOKENS: Final = 32
"""… and at least, once some have been seen: twice the longest of them."""

_BYTES_PER_TOKEN: Final = 4
"""Of ordinary text, for rates. A cap reserves one token a byte, which no tokenizer exceeds."""


class PaidCaller:
    """Carries calls of one run from one worker. For one event loop.

    Equal calls at the same time are one. A call that is answered is kept before its answer is given back.

    Args:
        gate: Lets calls through.
        cache: Where answers are kept.
        transport: Carries chat calls.
        prices: What calls cost.
        run_id: The run, for the record and the traces.
        max_attempts: Attempts of one call.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        cache: CallCache,
        transport: ChatTransport,
        prices: CallPrices | None = None,
        run_id: str = "",
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.gate = gate
        self._cache = cache
        self._transport = transport
        self._prices = prices or CallPrices()
        self._run_id = run_id
        self._max_attempts = max_attempts
        self._open: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._longest_output = 0

    async def chat(self, endpoint: ChatEndpoint, request: ChatRequest) -> ChatReply:
        """The endpoint's answer, from what is kept where it was asked before.

        Raises:
            UnauthenticatedError: The endpoint knows no such key: the run stops.
            PermissionDeniedError: The key may not, likewise.
            NotFoundError: The endpoint has no such model or path, likewise.
            CappedError: A cap of the run is reached.
            RemoteError: This call failed for good.
        """
        pay = functools.partial(self._pay_chat, endpoint, request)
        kept, is_cached = await self.once(request.digest(endpoint), pay)
        return replace(_reply(kept), cached=is_cached)

    async def once(self, digest: str, pay: Callable[[], Awaitable[KeptCall]]) -> tuple[Mapping[str, Any], bool]:
        """The reply that is kept under a digest, paid for and kept where there is none.

        Returns:
            The reply, and whether it was there already.
        """
        reply, is_cached = await self._once(digest, pay)
        if scope := current_scope():
            scope.counts.cached += is_cached
            scope.counts.merge(_worth(reply))
            if trace_id := reply.get("trace_id"):
                scope.trace_ids.append(trace_id)
        return reply, is_cached

    async def find(self, digest: str) -> Mapping[str, Any] | None:
        """The reply that is kept under a digest; None where there is none."""
        return await self._cache.find(digest)

    async def keep(self, digest: str, call: KeptCall) -> None:
        """Keep a reply that was paid for; it may count once this returns."""
        await self._cache.keep(replace(call, digest=digest, run_id=self._run_id))

    async def _once(self, digest: str, pay: Callable[[], Awaitable[KeptCall]]) -> tuple[Mapping[str, Any], bool]:
        if digest in self._open:
            return await asyncio.shield(self._open[digest]), True
        opened: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[digest] = opened
        try:
            known = await self._cache.find(digest)
            if known is not None:
                opened.set_result(known)
                return known, True
            call = await pay()
            if call.is_plain:
                await self.keep(digest, call)
            opened.set_result(call.reply)
            return call.reply, False
        except BaseException as error:
            # Whoever waits for the same answer is told the same; a cancelled call leaves nobody to be told.
            opened.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            opened.exception()
            raise
        finally:
            del self._open[digest]

    async def close(self) -> None:
        """Leave the desk, and give connections back."""
        await self.gate.close()
        await self._transport.close()

    async def _pay_chat(self, endpoint: ChatEndpoint, request: ChatRequest) -> KeptCall:
        size = sum(len(str(message.get("content") or "")) for message in request.messages)
        need, likely = self._need(request, size)
        name = self._transport.url_of(endpoint)
        with _call_span(request, self._run_id) as opened:
            reply = await self._attempts(endpoint, request, name, need, likely)
            opened.set_model(request.model, response=reply.model or None)
            opened.set_tokens(input=reply.input_tokens, output=reply.output_tokens)
            opened.set_messages(input=[*request.messages], output=[reply.message])
            trace_id = opened.trace_id if opened.traceparent else ""
        took = replace(reply, trace_id=trace_id)
        cost = self._cost(request.model, reply)
        self._longest_output = max(self._longest_output, reply.output_tokens or 0)
        if scope := current_scope():
            scope.counts.merge(_counts(reply, cost))
        return KeptCall(
            digest="",
            reply=_plain(took) | ({} if cost is None else {"cost": cost[0], "currency": cost[1]}),
            model=request.model,
            input_tokens=reply.input_tokens or 0,
            output_tokens=reply.output_tokens or 0,
            cost=None if cost is None else cost[0],
            currency="" if cost is None else cost[1],
        )

    async def _attempts(
        self, endpoint: ChatEndpoint, request: ChatRequest, name: str, need: Amounts, likely: float
    ) -> ChatReply:
        for attempt in range(1, self._max_attempts + 1):
            through = await self.gate.enter(name, need, tokens=likely)
            took = NOTHING
            error: CallError | None = None
            try:
                reply = await self._transport.attempt(endpoint, request)
                took = self._amounts(request.model, reply)
                return reply
            except CallError as failure:
                # What was sent and not refused may have been paid for.
                took = NOTHING if failure.fault is Fault.STATUS else need
                error = failure
                if error.fate is Fate.STOP_RUN:
                    # Before this call's place is free for another, which would fail too.
                    self.gate.stop(_stop(error, request))
            finally:
                throttle = error if error is not None and error.is_throttle else None
                after_s = None if throttle is None else throttle.retry_after_s
                self.gate.leave(through, throttled=throttle is not None, retry_after_s=after_s)
                self.gate.settle(through, took)
            if error.fate is Fate.STOP_RUN:
                raise _stop(error, request)
            if error.fate is Fate.FAIL_ROW or attempt == self._max_attempts:
                raise _failed(error, attempt)
            await asyncio.sleep(wait_s(attempt, random.random(), error.retry_after_s))  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    def _need(self, request: ChatRequest, size: int) -> tuple[Amounts, float]:
        """The most that a call can take, and the tokens that it will probably take."""
        asked = request.options.get("max_completion_tokens") or request.options.get("max_tokens")
        unlimited = max(LEAST_OUTPUT_TOKENS, self._longest_output * 2) if self._longest_output else FIRST_OUTPUT_TOKENS
        longest = int(asked) if asked else unlimited
        # Characters beyond ASCII take up to four bytes, and every message a few tokens of its own.
        most_input = size * 4 if not _is_ascii(request) else size
        most_input += 8 * len(request.messages) + 16
        if request.response_format is not None:
            most_input += len(str(request.response_format))
        need = Amounts(
            calls=1, tokens=most_input + longest, nanos=self._prices.nanos(request.model, most_input, longest)
        )
        return need, size / _BYTES_PER_TOKEN + min(longest, max(self._longest_output, 64))

    def _amounts(self, model: str, reply: ChatReply) -> Amounts:
        tokens = (reply.input_tokens or 0) + (reply.output_tokens or 0)
        nanos = self._prices.nanos(model, reply.input_tokens or 0, reply.output_tokens or 0)
        return Amounts(calls=1, tokens=tokens, nanos=nanos)

    def _cost(self, model: str, reply: ChatReply) -> tuple[float, str] | None:
        if reply.input_tokens is None and reply.output_tokens is None:
            return None
        cost = self._prices.cost(model, reply.input_tokens or 0, reply.output_tokens or 0)
        return None if cost is None else (cost.amount, cost.currency)


@contextmanager
def _call_span(request: ChatRequest, run_id: str) -> Iterator[Span]:
    """A trace of its own for one call, which says for which row and scorer it was made."""
    scope = current_scope() or CallScope()
    attributes = {
        "gen_ai.operation.name": "chat",
        "aiplatform.evaluation.run_id": run_id,
        "aiplatform.evaluation.row_id": scope.row_id,
        "aiplatform.evaluation.scorer": scope.scorer,
    }
    known = {name: value for name, value in attributes.items() if value}
    token = otel_context.attach(otel_context.Context())
    try:
        with span(f"chat {request.model}", kind="llm", attributes=known) as opened:
            try:
                yield opened
            except Exception as error:
                error.trace_id = opened.trace_id  # type: ignore[attr-defined]
                raise
    finally:
        otel_context.detach(token)


def _stop(error: CallError, request: ChatRequest) -> AIPlatformError:
    stays = N_("Every further call would fail, so the run stops here. Set the key and start again.")
    if error.status == 401:
        return UnauthenticatedError(
            N_("The model endpoint does not know the key: {answer}"),
            hint=stays,
            reason="evaluation.endpoint_key",
            answer=error.told,
        )
    if error.status == 403:
        return PermissionDeniedError(
            N_("The model endpoint refuses the key: {answer}"),
            hint=N_("Every further call would fail, so the run stops here."),
            reason="evaluation.endpoint_key",
            answer=error.told,
        )
    return NotFoundError(
        N_("The model endpoint has no model {model!r}, or the address is wrong: {answer}"),
        hint=N_("Every further call would fail, so the run stops here."),
        reason="evaluation.endpoint_model",
        model=request.model,
        answer=error.told,
    )


def _failed(error: CallError, attempts: int) -> RemoteError:
    if attempts == 1:
        return RemoteError(
            N_("The call failed: {problem}"), reason=f"evaluation.call_{error.fault}", problem=str(error)
        )
    return RemoteError(
        N_("The call failed {attempts} times, the last time so: {problem}"),
        reason=f"evaluation.call_{error.fault}",
        attempts=attempts,
        problem=str(error),
    )


def _counts(reply: ChatReply, cost: tuple[float, str] | None) -> CallCounts:
    return CallCounts(
        paid=1,
        input_tokens=reply.input_tokens or 0,
        output_tokens=reply.output_tokens or 0,
        nanos=0 if cost is None else round(cost[0] * NANO),
        currency="" if cost is None else cost[1],
    )


def _worth(reply: Mapping[str, Any]) -> CallCounts:
    return CallCounts(
        worth_tokens=(reply.get("input_tokens") or 0) + (reply.get("output_tokens") or 0),
        worth_nanos=round((reply.get("cost") or 0.0) * NANO),
        worth_ms=reply.get("latency_ms") or 0.0,
        currency=reply.get("currency") or "",
    )


def _is_ascii(request: ChatRequest) -> bool:
    return all(str(message.get("content") or "").isascii() for message in request.messages)


def _plain(reply: ChatReply) -> dict[str, Any]:
    return {
        "message": dict(reply.message),
        "model": reply.model,
        "finish_reason": reply.finish_reason,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "latency_ms": reply.latency_ms,
        "trace_id": reply.trace_id,
        "extra": dict(reply.extra),
    }


def _reply(kept: Mapping[str, Any]) -> ChatReply:
    return ChatReply(**{name: kept[name] for name in _FIELDS if name in kept})


_FIELDS: Final = (
    "message", "model", "finish_reason", "input_tokens", "output_tokens", "latency_ms", "trace_id", "extra",
)  # fmt: skip
