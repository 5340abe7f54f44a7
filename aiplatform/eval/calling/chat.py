"""One call of a chat model: what is asked, of whom, and what comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiplatform.eval.statistics.hashing import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """An OpenAI-compatible address. The key is never part of anything that is stored."""

    url: str = ""
    """Address up to `/v1`; empty: the platform's own."""

    key: str = field(default="", repr=False)
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked. Equal requests are one call."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    response_format: Mapping[str, Any] | None = None
    """As in the OpenAI API: `{"type": "json_schema", ...}`."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Decoding: `temperature`, `max_tokens`, `seed` and whatever else the endpoint takes."""

    sample: int = 0
    """Which of several answers to the same question this is, where one is asked for more than once."""

    @property
    def body(self) -> dict[str, Any]:
        """The body of the HTTP request."""
        asked: dict[str, Any] = {
            **self.options,
            "model": self.model,
            "messages": [dict(each) for each in self.messages],
        }
        if self.response_format is not None:
            asked["response_format"] = dict(self.response_format)
        return asked

    def digest(self, endpoint: ChatEndpoint) -> str:
        """SHA-256 of everything that the answer depends on: 64 hexadecimal digits."""
        known = {"url": endpoint.url.rstrip("/"), "body": self.body, "sample": self.sample}
        return hashlib.sha256(canonical_json(known).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What came back."""

    message: Mapping[str, Any]
    """The first choice's message, as it came."""

    model: str = ""
    """Which model the endpoint says has answered."""

    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    """Of the call that was paid for, also where the answer now comes from the cache."""

    cached: bool = False
    trace_id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The answer's `aiplatform` object, which is how our own deployments say more than text."""

    @property
    def text(self) -> str:
        """The message's text."""
        content = self.message.get("content")
        return content if isinstance(content, str) else ""


class Caller(Protocol):
    """Carries calls. Whether they are cached, limited, capped, retried and traced is the caller's own matter."""

    async def chat(self, endpoint: ChatEndpoint, request: ChatRequest) -> ChatReply:
        """The endpoint's answer.

        Raises:
            UnauthenticatedError: The endpoint knows no such key: every further call would fail too, so the run stops.
            PermissionDeniedError: The key may not, likewise.
            AIPlatformError: This call failed for good, after the retries that its kind deserves.
        """
        ...
