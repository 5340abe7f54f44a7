"""What went into a span and what came out, as plain text: to be compared, and to be read in a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiplatform.tracing.content_model import Message
from aiplatform.tracing.model import SpanDetail
from aiplatform.tracing.preview import headline


def input_text(detail: SpanDetail) -> str:
    """All that went in."""
    if detail.input_messages:
        return messages_text(detail.input_messages)
    if detail.input is None and detail.tool_call is not None:
        return value_text(detail.tool_call.arguments)
    return value_text(detail.input)


def output_text(detail: SpanDetail) -> str:
    """All that came out; the error where it failed."""
    parts: list[str] = []
    if detail.output_messages:
        parts.append(messages_text(detail.output_messages))
    elif detail.output is None and detail.tool_call is not None:
        parts.append(value_text(detail.tool_call.result))
    elif detail.output is None and detail.passages:
        parts.extend(passage.text for passage in detail.passages)
    else:
        parts.append(value_text(detail.output))
    if detail.error_message:
        parts.append(f"{detail.error_type}: {detail.error_message}" if detail.error_type else detail.error_message)
    return "\n".join(part for part in parts if part)


def question(detail: SpanDetail) -> str:
    """What somebody said or asked: the last message of the user, else the telling part of the input."""
    said = next((each.text for each in reversed(detail.input_messages) if each.role == "user" and each.text), "")
    return said or _telling(detail.input, "user") or input_text(detail)


def answer(detail: SpanDetail) -> str:
    """What was said back."""
    said = next((each.text for each in reversed(detail.output_messages) if each.text), "")
    return said or _telling(detail.output, "assistant") or output_text(detail)


def messages_text(messages: Sequence[Message]) -> str:
    """Messages one below the other, each with who said it."""
    return "\n\n".join(f"{message.role}: {_body(message)}" for message in messages)


def value_text(value: Any) -> str:
    """A value as text: JSON with its letters as they are, text as it is."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _telling(value: Any, role: str) -> str:
    return "" if value is None else headline(value, role)


def _body(message: Message) -> str:
    lines = []
    for part in message.parts:
        if part.type == "tool_call":
            lines.append(f"{part.tool_name}({value_text(part.data)})")
        else:
            lines.append(part.text if part.text is not None else value_text(part.data))
    return "\n".join(lines)
