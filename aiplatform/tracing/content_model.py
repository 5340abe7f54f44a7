"""What a span says, as frozen values: messages and their parts, a tool that ran, passages that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message: text, reasoning, a tool call, its answer, or anything else an emitter sends."""

    type: str
    """`text`, `reasoning`, `tool_call`, `tool_call_response`, `uri`, `blob`, `file`, or the emitter's own word."""

    text: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    data: Any = None
    """Arguments of a tool call, its answer, or the whole part where the type is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user`, `assistant`, `tool`, or the emitter's own word."""

    parts: Sequence[Part]
    name: str | None = None
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        """Its text parts, one after the other."""
        return "\n".join(part.text for part in self.parts if part.type == "text" and part.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that ran, with what went in and what came out."""

    name: str | None = None
    call_id: str | None = None
    arguments: Any = None
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A document that a retriever or reranker returned."""

    text: str
    passage_id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
