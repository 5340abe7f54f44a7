"""What the door's span says of a chat: OpenTelemetry's GenAI attributes, from OpenAI's request and answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

_PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
_SESSION_FIELDS: Final = ("session_id", "conversation_id")


def request_attributes(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What is known before the model was asked."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "aiplatform",
        "gen_ai.request.model": str(request.get("model", "")),
    }
    for field, name in _PARAMETERS.items():
        value = request.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            attributes[name] = value
    if request.get("stream") is True:
        attributes["gen_ai.request.stream"] = True
    stop = request.get("stop")
    if stop:
        attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(one) for one in stop]
    if isinstance(request.get("user"), str):
        attributes["user.id"] = request["user"]
    metadata = request.get("metadata")
    if isinstance(metadata, Mapping):
        session = next((metadata[field] for field in _SESSION_FIELDS if isinstance(metadata.get(field), str)), None)
        if session:
            attributes["session.id"] = session
    if request.get("messages"):
        attributes["gen_ai.input.messages"] = messages_json(request["messages"])
    if request.get("tools"):
        attributes["gen_ai.tool.definitions"] = orjson.dumps(request["tools"]).decode()
    return attributes


def answer_attributes(completion: Mapping[str, Any]) -> dict[str, Any]:
    """What a whole answer adds."""
    choices = [choice for choice in completion.get("choices") or () if isinstance(choice, Mapping)]
    messages = [
        {**(choice.get("message") or {}), "finish_reason": choice.get("finish_reason") or "stop"} for choice in choices
    ]
    attributes: dict[str, Any] = {
        "gen_ai.response.id": str(completion.get("id", "")),
        "gen_ai.response.model": str(completion.get("model", "")),
        "gen_ai.response.finish_reasons": [message["finish_reason"] for message in messages],
        "gen_ai.output.messages": messages_json(messages),
    }
    usage = completion.get("usage")
    if isinstance(usage, Mapping):
        attributes |= _usage(usage)
    return attributes


def messages_json(messages: Iterable[Any]) -> str:
    """OpenAI's messages in OpenTelemetry's form, as JSON."""
    return orjson.dumps([_message(message) for message in messages if isinstance(message, Mapping)]).decode()


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = message.get("role", "assistant")
    parts: list[Any] = []
    content = message.get("content")
    if role == "tool":
        parts.append({"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content})
    elif isinstance(content, str):
        parts.append({"type": "text", "content": content})
    elif isinstance(content, list):
        parts.extend(_part(part) for part in content)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": function.get("name"),
                "arguments": function.get("arguments"),
            }
        )
    said: dict[str, Any] = {"role": role, "parts": parts}
    for field in ("name", "finish_reason"):
        if message.get(field):
            said[field] = message[field]
    return said


def _part(part: Any) -> Any:
    if isinstance(part, Mapping):
        if part.get("type") == "text":
            return {"type": "text", "content": part.get("text")}
        if part.get("type") == "image_url":
            address = part.get("image_url")
            return {
                "type": "uri",
                "modality": "image",
                "uri": address.get("url") if isinstance(address, Mapping) else address,
            }
    return part


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    known = {
        "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        "gen_ai.usage.cache_read.input_tokens": prompt.get("cached_tokens"),
        "gen_ai.usage.reasoning.output_tokens": completion.get("reasoning_tokens"),
    }
    return {name: value for name, value in known.items() if isinstance(value, int)}
