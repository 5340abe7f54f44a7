"""Messages in every shape that emitters send, read into one: role and parts.

Known shapes: OpenTelemetry's `parts`, OpenAI chat and Responses items, Anthropic content blocks, Gemini contents,
LangChain dumps, OpenInference's and Traceloop's flattened attributes. What is not known stays, as a part that holds it
whole: nothing an emitter sent is lost on the way to the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiplatform.tracing.content_model import Message, Part
from aiplatform.tracing.semconv import finish_reason
from aiplatform.tracing.values import plain_text, unwrapped

ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
}
_CONTAINERS: Final = ("messages", "choices", "generations", "contents", "candidates", "output", "input", "message")
_ANSWERS: Final = frozenset({"choices", "candidates", "output", "generations"})
_CONTENTS: Final = ("content", "parts", "tool_calls", "contents", "text")
_ITEM_CONTENTS: Final = ("arguments", "output", "summary", "content")
_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text", "refusal"})
_REASONING_TYPES: Final = frozenset({"reasoning", "thinking", "redacted_thinking"})
_CALL_TYPES: Final = frozenset({"tool_call", "tool-call", "function_call", "tool_use", "function"})
_RESPONSE_TYPES: Final = frozenset({"tool_call_response", "function_call_output", "tool_result", "tool-result"})
_ITEM_ROLES: Final[Mapping[str, str]] = {
    "function_call": "assistant",
    "function_call_output": "tool",
    "reasoning": "assistant",
}


def read_messages(value: Any, default_role: str) -> list[Message]:
    """The messages in a value; an empty list where it holds none.

    Args:
        value: Whatever an attribute held, JSON text included.
        default_role: Role of a text that names none.
    """
    value = unwrapped(value)
    if isinstance(value, str):
        return [Message(role=default_role, parts=(Part(type="text", text=value),))] if value else []
    return _read(value, default_role, depth=0)


def looks_like_messages(value: Any) -> bool:
    """Whether a decoded JSON value is a conversation, rather than just any data."""
    return bool(_read(value, "user", depth=0)) if isinstance(value, list | dict) else False


def _read(value: Any, default_role: str, depth: int) -> list[Message]:
    if depth > 4:
        return []
    if isinstance(value, list):
        found: list[Message] = []
        for item in value:
            found.extend(_read(unwrapped(item), default_role, depth + 1) if isinstance(item, list | dict) else ())
        return found
    if not isinstance(value, dict):
        return []
    if _is_message(value):
        return [_message(value, default_role)]
    request = _response_request(value, depth)
    if request:
        return request
    for name in _CONTAINERS:
        inner = value.get(name)
        if isinstance(inner, list | dict):
            found = _read(inner, "assistant" if name in _ANSWERS else default_role, depth + 1)
            if found:
                return _with_finish(found, value)
    return []


def _response_request(value: Mapping[str, Any], depth: int) -> list[Message]:
    """The conversation in a request to OpenAI's Responses API: instructions, and a text or items as input."""
    given, instructions = value.get("input"), value.get("instructions")
    if "model" not in value or not isinstance(given, str | list) or "messages" in value:
        return []
    found = [Message(role="system", parts=(Part(type="text", text=instructions),))] if _word(instructions) else []
    if isinstance(given, str):
        return [*found, Message(role="user", parts=(Part(type="text", text=given),))] if given else found
    return [*found, *_read(given, "user", depth + 1)]


def _is_message(value: Mapping[str, Any]) -> bool:
    if "role" in value and any(name in value for name in _CONTENTS):
        return True
    if _word(value.get("type")) in _ITEM_ROLES and any(name in value for name in _ITEM_CONTENTS):
        return True
    return _langchain(value) is not None


def _langchain(value: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Role and body of a LangChain dump, in either of its two forms."""
    kwargs = value.get("kwargs")
    path = value.get("id")
    if isinstance(kwargs, dict) and isinstance(path, list) and path and _word(path[-1]) in ROLES:
        return ROLES[path[-1]], kwargs
    type_ = _word(value.get("type"))
    if type_ in {"human", "ai", "system", "tool"}:
        data = value.get("data")
        body = data if isinstance(data, dict) else value
        if "content" in body:
            return ROLES.get(type_, type_), body
    return None


def _message(value: Mapping[str, Any], default_role: str) -> Message:
    langchain = _langchain(value) if "role" not in value else None
    if langchain is not None:
        role, body = langchain
    else:
        role, body = str(value.get("role") or _ITEM_ROLES.get(str(value.get("type")), default_role)), value
    if _word(value.get("type")) in _ITEM_ROLES and "role" not in value:
        parts = [_part(value)]
    else:
        parts = list(_parts(body, ROLES.get(role, role)))
    reason = body.get("finish_reason")
    return Message(
        role=ROLES.get(role, role),
        parts=tuple(parts),
        name=body.get("name") if isinstance(body.get("name"), str) else None,
        finish_reason=finish_reason(reason) if isinstance(reason, str) and reason else None,
    )


def _parts(body: Mapping[str, Any], role: str) -> Iterable[Part]:
    reasoning = body.get("reasoning_content")
    if isinstance(reasoning, str) and reasoning:
        yield Part(type="reasoning", text=reasoning)
    for name in ("parts", "content", "contents", "text"):
        content = body.get(name)
        if content is None or content == "":
            continue
        call_id = body.get("tool_call_id")
        if role == "tool" and name == "content" and not _has_typed_parts(content):
            yield Part(
                type="tool_call_response", tool_call_id=_text_or_none(call_id), data=unwrapped(content), text=None
            )
        elif isinstance(content, list):
            yield from (_part(item) for item in content)
        elif isinstance(content, dict):
            yield _part(content)
        else:
            yield Part(type="text", text=plain_text(content))
        break
    calls = body.get("tool_calls")
    if isinstance(calls, list):
        yield from (_call(call) for call in calls if isinstance(call, dict))
    elif isinstance(body.get("function_call"), dict):
        yield _call(body["function_call"])


def _has_typed_parts(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(item, dict) and "type" in item for item in content)


def _part(item: Any) -> Part:
    if not isinstance(item, dict):
        return Part(type="text", text=plain_text(item))
    type_ = item.get("type")
    if not isinstance(type_, str):
        return _untyped_part(item)
    if type_ in _TEXT_TYPES:
        return Part(type="text", text=plain_text(_first(item, "text", "content", "refusal")))
    if type_ in _REASONING_TYPES:
        return Part(type="reasoning", text=_reasoning_text(item))
    if type_ in _CALL_TYPES:
        return _call(item)
    if type_ in _RESPONSE_TYPES:
        return Part(
            type="tool_call_response",
            tool_call_id=_text_or_none(_first(item, "id", "call_id", "tool_use_id", "tool_call_id", "toolCallId")),
            tool_name=_text_or_none(_first(item, "name", "toolName")),
            data=unwrapped(_first(item, "response", "result", "output", "content")),
        )
    return Part(type=type_, data=item)


def _untyped_part(item: Mapping[str, Any]) -> Part:
    if isinstance(item.get("text"), str):
        return Part(type="text", text=item["text"])
    if isinstance(item.get("function_call"), dict):
        return _call(item["function_call"])
    response = item.get("function_response")
    if isinstance(response, dict):
        return Part(
            type="tool_call_response", tool_name=_text_or_none(response.get("name")), data=response.get("response")
        )
    return Part(type="generic", data=item)


def _call(call: Mapping[str, Any]) -> Part:
    function = call.get("function")
    inner: Mapping[str, Any] = function if isinstance(function, dict) else call
    return Part(
        type="tool_call",
        tool_call_id=_text_or_none(_first(call, "call_id", "id", "tool_call_id", "toolCallId")),
        tool_name=_text_or_none(_first(inner, "name", "toolName")),
        data=unwrapped(_first(inner, "arguments", "args", "input")),
    )


def _reasoning_text(item: Mapping[str, Any]) -> str:
    summary = item.get("summary")
    if isinstance(summary, list):
        return "\n".join(plain_text(_first(part, "text", "content")) for part in summary if isinstance(part, dict))
    return plain_text(_first(item, "content", "text", "thinking", "data"))


def _with_finish(messages: list[Message], holder: Mapping[str, Any]) -> list[Message]:
    reason = holder.get("finish_reason") or holder.get("stop_reason")
    if not isinstance(reason, str) or len(messages) != 1 or messages[0].finish_reason:
        return messages
    only = messages[0]
    return [Message(role=only.role, parts=only.parts, name=only.name, finish_reason=finish_reason(reason))]


def unflatten(attributes: Mapping[str, Any], prefix: str) -> list[Any]:
    """A list whose values were spread over attributes such as `prefix0.message.role`, in order of its indexes."""
    root: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            path = name[len(prefix) :].split(".")
            if path[0].isdigit():
                _put(root, path, value)
    listed = _listed(root)
    return listed if isinstance(listed, list) else []


def _put(root: dict[str, Any], path: list[str], value: Any) -> None:
    place = root
    for step in path[:-1]:
        inner = place.get(step)
        if not isinstance(inner, dict):
            inner = {} if inner is None else {"": inner}
            place[step] = inner
        place = inner
    place[path[-1]] = value


def _listed(value: Any) -> Any:
    """Dictionaries whose keys are all indexes become lists; OpenInference's one-key wrappers are taken off."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    read = {key: _listed(inner) for key, inner in value.items()}
    for wrapper in ("message", "message_content", "tool_call", "document", "embedding"):
        if len(read) == 1 and isinstance(read.get(wrapper), dict):
            return read[wrapper]
    return read


def _word(value: Any) -> str:
    """A text as it is, and no text for anything else: senders write lists and mappings where a word belongs."""
    return value if isinstance(value, str) else ""


def _first(holder: Mapping[str, Any], *names: str) -> Any:
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def _text_or_none(value: Any) -> str | None:
    return None if value is None or value == "" else plain_text(value)
