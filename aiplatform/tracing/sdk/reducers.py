"""One output of a stream's many chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Reducer = Callable[[Sequence[Any]], Any]
"""Makes one output of all chunks; a `Reduced` sets attributes as well."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """An output, and what else its chunks tell."""

    output: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


def joined(chunks: Sequence[Any]) -> Any:
    """Text is joined, the rest listed; None for no chunks."""
    if chunks and all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    return list(chunks) or None


def openai_chat(chunks: Sequence[Any]) -> Reduced:
    """The answer that the chunks of an OpenAI chat completion stream make, with model, tokens and finish reasons.

    Chunks may be the client's objects or plain mappings. Text, refusals and the pieces of tool calls are put together,
    choice by choice; the last chunk with a `usage` counts.
    """
    choices: dict[int, dict[str, Any]] = {}
    attributes: dict[str, Any] = {}
    for chunk in map(_plain, chunks):
        if chunk.get("model"):
            attributes["gen_ai.response.model"] = chunk["model"]
        if chunk.get("id"):
            attributes["gen_ai.response.id"] = chunk["id"]
        attributes |= _tokens(chunk.get("usage"))
        for piece in chunk.get("choices") or ():
            _add(choices.setdefault(piece.get("index") or 0, {"role": "assistant", "content": None}), piece)
    messages = []
    reasons = []
    for _, choice in sorted(choices.items()):
        reasons.append(choice.pop("finish_reason", None) or "")
        if "tool_calls" in choice:
            choice["tool_calls"] = [call for _, call in sorted(choice["tool_calls"].items())]
        messages.append(choice)
    if any(reasons):
        attributes["gen_ai.response.finish_reasons"] = reasons
    return Reduced(messages[0] if len(messages) == 1 else messages or None, attributes)


def _add(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    delta = piece.get("delta") or {}
    if piece.get("finish_reason"):
        choice["finish_reason"] = piece["finish_reason"]
    if delta.get("role"):
        choice["role"] = delta["role"]
    for name in ("content", "refusal", "reasoning_content"):
        if delta.get(name):
            choice[name] = (choice.get(name) or "") + delta[name]
    for number, call in enumerate(delta.get("tool_calls") or ()):
        index = call.get("index")
        calls = choice.setdefault("tool_calls", {})
        found = calls.setdefault(number if index is None else index, {"function": {"name": "", "arguments": ""}})
        for name in ("id", "type"):
            if call.get(name):
                found[name] = call[name]
        function = call.get("function") or {}
        found["function"]["name"] += function.get("name") or ""
        found["function"]["arguments"] += function.get("arguments") or ""


def _tokens(usage: Any) -> dict[str, int]:
    if not usage:
        return {}
    read = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    found = {
        "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    }
    return {name: count for name, count in found.items() if count is not None}


def _plain(chunk: Any) -> Mapping[str, Any]:
    if isinstance(chunk, Mapping):
        return chunk
    dump = getattr(chunk, "model_dump", None)
    found: Any = dump() if callable(dump) else {}
    return found if isinstance(found, Mapping) else {}
