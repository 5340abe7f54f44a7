"""OpenAI's shapes: requests checked, and what a model gave written as completions and chunks."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.serve.runner import joined


def checked_chat(request: dict[str, Any]) -> dict[str, Any]:
    """The request, where a model can be asked it.

    Raises:
        InvalidError: A field is missing or wrong; `field` of the error names it.
    """
    _check_model(request)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", N_("{field!r} must be a list with at least one message."))
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _wrong(f"messages[{index}]", N_("{field!r} must be an object with a role."))
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise _wrong(f"messages[{index}].content", N_("{field!r} must be a text or a list of parts."))
    if not isinstance(request.get("stream"), bool | None):
        raise _wrong("stream", N_("{field!r} must be true or false."))
    if not isinstance(request.get("stream_options"), dict | None):
        raise _wrong("stream_options", N_("{field!r} must be an object."))
    return request


def checked_embeddings(request: dict[str, Any]) -> dict[str, Any]:
    """The request, where a model can be asked it.

    Raises:
        InvalidError: A field is missing or wrong; `field` of the error names it.
    """
    _check_model(request)
    given = request.get("input")
    is_list = isinstance(given, list) and bool(given) and all(isinstance(one, str) for one in given)
    if not is_list and not (isinstance(given, str) and given):
        raise _wrong("input", N_("{field!r} must be a text or a list of texts, none of them token numbers."))
    if request.get("encoding_format") not in {None, "float", "base64"}:
        raise _wrong("encoding_format", N_("{field!r} must be float or base64."))
    return request


def completion_from(result: Mapping[str, Any], *, completion_id: str, model: str, created_s: int) -> dict[str, Any]:
    """A model's whole answer as a `chat.completion`."""
    frame = {"id": completion_id, "object": "chat.completion", "created": created_s, "model": model}
    if "completion" in result:
        return {**frame, **result["completion"], "object": "chat.completion"}
    choice = {
        "index": 0,
        "message": result["message"],
        "logprobs": None,
        "finish_reason": result["finish_reason"],
    }
    usage = usage_from(result.get("usage"))
    return {**frame, "choices": [choice], **({} if usage is None else {"usage": usage})}


def usage_from(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Token counts as OpenAI writes them; None where the model did not count."""
    if not usage:
        return None
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    completion = usage.get("completion_tokens", usage.get("output_tokens"))
    counted = {"prompt_tokens": prompt or 0, "completion_tokens": completion or 0}
    return {**usage, **counted, "total_tokens": usage.get("total_tokens", sum(counted.values()))}


class Chunks:
    """One streamed answer: parts in, `chat.completion.chunk`s out, and at the end the whole for the span."""

    def __init__(self, *, completion_id: str, model: str, created_s: int, include_usage: bool) -> None:
        self._completion_id, self._model, self._created_s = completion_id, model, created_s
        self._frame = {"id": completion_id, "object": "chat.completion.chunk", "created": created_s, "model": model}
        self._include_usage = include_usage
        self._parts: list[dict[str, Any]] = []
        self._is_begun = False
        self._is_raw = False
        self._finish_reason: str | None = None
        self._usage: Mapping[str, Any] | None = None
        self._has_calls = False

    def take(self, part: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks that one part of the model's answer makes."""
        self._parts.append(part)
        if "chunk" in part:
            self._is_raw = True
            return [{**self._frame, **part["chunk"], "object": "chat.completion.chunk"}]
        self._finish_reason = part.get("finish_reason") or self._finish_reason
        self._usage = part.get("usage") or self._usage
        delta = part.get("delta")
        if not delta:
            return []
        if not self._is_begun:
            self._is_begun = True
            delta = {"role": "assistant", **delta}
        self._has_calls = self._has_calls or bool(delta.get("tool_calls"))
        return [self._chunk(delta, None)]

    def close(self) -> list[dict[str, Any]]:
        """The chunks that end the answer."""
        if self._is_raw:
            return []
        reason = self._finish_reason or ("tool_calls" if self._has_calls else "stop")
        last = [self._chunk({} if self._is_begun else {"role": "assistant", "content": ""}, reason)]
        usage = usage_from(self._usage)
        if self._include_usage and usage is not None:
            last.append({**self._frame, "choices": [], "usage": usage})
        return last

    def completion(self) -> dict[str, Any]:
        """The whole answer so far, as if it had not been streamed."""
        return completion_from(
            joined(self._parts), completion_id=self._completion_id, model=self._model, created_s=self._created_s
        )

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._frame, "choices": [choice]}


def embeddings_from(result: Mapping[str, Any], *, model: str, is_base64: bool) -> dict[str, Any]:
    """A model's embeddings as OpenAI's list."""
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if is_base64 else vector}
        for index, vector in enumerate(result["embeddings"])
    ]
    return {"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


def _check_model(request: Mapping[str, Any]) -> None:
    if not isinstance(request.get("model"), str) or not request["model"]:
        raise _wrong("model", N_("{field!r} must name a model."))


def _wrong(field: str, message: str) -> InvalidError:
    return InvalidError(message, reason="request.field", field=field)
