"""One verdict from one model: asked by schema, read leniently, asked once more where it could not be read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiplatform.core.errors import AIPlatformError, RemoteError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling import Caller, ChatEndpoint, ChatReply, ChatRequest
from aiplatform.eval.calling.stopping import stops_run
from aiplatform.eval.judging.forms import Verdict
from aiplatform.eval.judging.prompts import wording
from aiplatform.eval.judging.replies import UnreadableError, read

MAX_SHOWN: Final = 300
_UNSTRUCTURED: Final = ("response_format", "json_schema", "structured output")
"""What an endpoint says that knows no schemas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a judge is asked about one row."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    schema: Mapping[str, Any]
    name: str
    """Of the schema."""

    options: Mapping[str, Any] = field(default_factory=dict)
    language: str = "en"

    def request(self, sample: int, *, by_schema: bool) -> ChatRequest:
        """The call that asks it."""
        structured = {"name": self.name, "schema": self.schema, "strict": True}
        return ChatRequest(
            model=self.model,
            messages=self.messages,
            response_format={"type": "json_schema", "json_schema": structured} if by_schema else None,
            options=self.options,
            sample=sample,
        )


async def asked(
    caller: Caller,
    endpoint: ChatEndpoint,
    question: Question,
    check: Callable[[Mapping[str, Any]], Verdict],
    samples: int = 1,
) -> Verdict:
    """The verdict; of several samples, what most of them say.

    Raises:
        UnauthenticatedError: The endpoint does not know the key.
        PermissionDeniedError: The endpoint refuses the key.
        RemoteError: The judge refused, could not be read twice, or its samples have no majority.
        AIPlatformError: The call failed.
    """
    if samples == 1:
        return await _sampled(caller, endpoint, question, check, 0)
    found = await asyncio.gather(
        *(_sampled(caller, endpoint, question, check, sample) for sample in range(samples)), return_exceptions=True
    )
    for each in found:
        if isinstance(each, BaseException) and (stops_run(each) or not isinstance(each, AIPlatformError)):
            raise each
    verdicts = [each for each in found if isinstance(each, Verdict)]
    if 2 * len(verdicts) <= samples:
        raise next(each for each in found if isinstance(each, BaseException))
    return majority(verdicts, samples)


def majority(verdicts: Sequence[Verdict], samples: int) -> Verdict:
    """What more than half of the samples say; where they choose no labels, their mean.

    Raises:
        RemoteError: No label has more than half of them.
    """
    if not all(verdict.label for verdict in verdicts):
        mean = sum(verdict.value for verdict in verdicts) / len(verdicts)
        return replace(verdicts[0], value=mean, details={**verdicts[0].details, **_spread(verdicts)})
    label, votes = Counter(verdict.label for verdict in verdicts).most_common(1)[0]
    if 2 * votes <= samples:
        raise RemoteError(
            N_("The judge's samples have no majority: {labels}."),
            reason="judge.no_majority",
            labels=", ".join(verdict.label for verdict in verdicts),
        )
    chosen = next(verdict for verdict in verdicts if verdict.label == label)
    return replace(chosen, confidence=votes / samples, details={**chosen.details, **_spread(verdicts)})


def _spread(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    said = [verdict.label or verdict.value for verdict in verdicts]
    return {"samples": said, "calls": [call for verdict in verdicts for call in verdict.details.get("calls", ())]}


async def _sampled(
    caller: Caller,
    endpoint: ChatEndpoint,
    question: Question,
    check: Callable[[Mapping[str, Any]], Verdict],
    sample: int,
) -> Verdict:
    request = question.request(sample, by_schema=True)
    try:
        reply = await caller.chat(endpoint, request)
    except AIPlatformError as error:
        if stops_run(error) or not any(word in str(error) for word in _UNSTRUCTURED):
            raise
        request = question.request(sample, by_schema=False)
        reply = await caller.chat(endpoint, request)
    calls = [_call(reply)]
    try:
        verdict = _read(reply, check)
    except UnreadableError as error:
        request = replace(request, messages=(*request.messages, *_again(reply, error, question.language)))
        reply = await caller.chat(endpoint, request)
        calls.append(_call(reply))
        try:
            verdict = _read(reply, check)
        except UnreadableError as second:
            raise RemoteError(
                N_("The judge's answer cannot be read: {problem}. It said: {said}"),
                reason="judge.unreadable",
                problem=str(second),
                said=reply.text[:MAX_SHOWN],
            ) from None
    return replace(verdict, details={**verdict.details, "calls": calls})


def _read(reply: ChatReply, check: Callable[[Mapping[str, Any]], Verdict]) -> Verdict:
    refusal = reply.message.get("refusal")
    if refusal or reply.finish_reason == "content_filter":
        raise RemoteError(
            N_("The judge refused: {said}"),
            reason="judge.refused",
            said=str(refusal or reply.text or reply.finish_reason)[:MAX_SHOWN],
        )
    try:
        return read(reply.text, check)
    except UnreadableError as error:
        if reply.finish_reason == "length":
            raise UnreadableError(f"it broke off at the limit of tokens, and {error}") from None
        raise


def _again(reply: ChatReply, error: UnreadableError, language: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    asked_again = wording("again", language, problem=str(error))
    return {"role": "assistant", "content": reply.text}, {"role": "user", "content": asked_again}


def _call(reply: ChatReply) -> dict[str, Any]:
    """What is kept of a call beside its verdict."""
    known = {
        "model": reply.model,
        "trace_id": reply.trace_id if reply.trace_id.strip("0") else "",  # zeros: nobody traces here
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "cached": reply.cached,
    }
    return {name: value for name, value in known.items() if value not in ("", None, False)}
