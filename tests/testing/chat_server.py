"""A programmable server of OpenAI's chat API on loopback. It answers as a script says, and counts what it was asked.

with chat_server(lambda asked: says("yes") if asked.nth else rate_limited(0.1)) as server:
    ...
assert server.answered.total() == 40
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import uvicorn

_JSON: Final = (b"content-type", b"application/json")
_STARTED_WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    digest: str
    """Of the body: equal questions have equal ones."""

    nth: int
    """How many requests with this body came before."""

    at: float
    """When, by the monotonic clock."""

    @property
    def text(self) -> str:
        """The last message's text."""
        return str(self.body["messages"][-1]["content"])

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema that the answer shall follow; None where none was asked for."""
        asked = self.body.get("response_format") or {}
        found: Mapping[str, Any] | None = (asked.get("json_schema") or {}).get("schema")
        return found

    def draw(self, seed: int) -> float:
        """A number from 0 to 1 that follows from the seed, the body and `nth`."""
        drawn = hashlib.sha256(f"{seed}/{self.digest}/{self.nth}".encode()).digest()
        return int.from_bytes(drawn[:7], "big") / 2**56


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One answer."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0.0
    is_cut_off: bool = False
    """Whether the connection ends before the whole answer is out."""

    is_answer: bool = True
    """Whether a caller can use it, and pays for it."""


Script = Callable[[Asked], Told]


def says(
    text: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    input_tokens: int = 24,
    output_tokens: int = 7,
    latency_s: float = 0.0,
    model: str = "fake-1",
    **more: Any,
) -> Told:
    """A completion with that text; `more` are further fields of the answer, such as `aiplatform`."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
        **more,
    }
    return Told(content=json.dumps(body).encode(), latency_s=latency_s)


def says_json(value: Any, **more: Any) -> Told:
    """A completion whose text is that value."""
    return says(json.dumps(value), **more)


def fails(status: int, message: str = "no", **headers: str) -> Told:
    """An error as OpenAI words it; a header's `_` becomes `-`."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": None}}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Told(content=json.dumps(body).encode(), status=status, headers=sent, is_answer=False)


def rate_limited(retry_after_s: float | None = None) -> Told:
    """429, with `Retry-After` where seconds are given."""
    headers = {} if retry_after_s is None else {"retry_after": f"{retry_after_s:g}"}
    return fails(429, "Rate limit reached", **headers)


def malformed() -> Told:
    """200 with a body that is no JSON."""
    return Told(content=b'{"choices": [{"message": {"content": "yes', is_answer=False)


def cut_off() -> Told:
    """An answer whose connection ends in the middle."""
    return replace(says("half of an answer"), is_cut_off=True, is_answer=False)


def refused(reason: str = "I cannot help with that.") -> Told:
    """A completion that refuses, as models with structured output do."""
    return says(None, refusal=reason)


def truncated(text: str = '{"verdict": "pa') -> Told:
    """A completion that ran into its limit of tokens."""
    return says(text, finish_reason="length")


def follows_schema(asked: Asked) -> Told:
    """The script by default: `answer to <last message>`, or the least value that the asked schema allows."""
    return says(f"answer to {asked.text}") if asked.schema is None else says_json(least_of(asked.schema))


def least_of(schema: Mapping[str, Any]) -> Any:
    """The least value that a JSON schema allows: first of an enumeration, `true`, minimum, empty text."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return least_of(schema["anyOf"][0])
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: least_of(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [least_of(schema["items"])] * int(schema.get("minItems", 0))
    return {"boolean": True, "number": schema.get("minimum", 0), "integer": schema.get("minimum", 0)}.get(kind, "")


def with_faults(
    script: Script, *, seed: int = 0, limited: float = 0.0, broken: float = 0.0, garbled: float = 0.0
) -> Script:
    """The script, with these shares of its requests answered by 429, by 500, and by what is no JSON.

    Which ones follows from the seed, the body and how often it was asked, so a repeat may pass.
    """

    def answer(asked: Asked) -> Told:
        drawn = asked.draw(seed)
        if drawn < limited:
            return rate_limited(0.05)
        if drawn < limited + broken:
            return fails(500, "The server had an error")
        return malformed() if drawn < limited + broken + garbled else script(asked)

    return answer


def slowly(script: Script, latency_s: float) -> Script:
    """The script, each answer that much later."""
    return lambda asked: replace(script(asked), latency_s=latency_s)


class ChatServer:
    """Answers `POST …/chat/completions` and `GET …/stats`. Its counts may be read at any time from any thread."""

    def __init__(self, script: Script = follows_schema) -> None:
        self.script = script
        """May be replaced while the server runs."""

        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        """Requests by digest of their body."""

        self.answered: Counter[str] = Counter()
        """Answers that were sent whole and that a caller can use, by digest: what is paid for."""

        self.in_flight = self.most_in_flight = 0
        self.url = ""

    @property
    def paid_twice(self) -> list[str]:
        """Digests that were answered more than once."""
        return [digest for digest, count in self.answered.items() if count > 1]

    @property
    def stats(self) -> dict[str, int]:
        """Its counts, for who starts it as a program: `GET /v1/stats`."""
        return {
            "asked": len(self.asked),
            "answered": self.answered.total(),
            "paid_twice": len(self.paid_twice),
            "most_in_flight": self.most_in_flight,
        }

    def wait_for(self, answers: int, *, timeout_s: float = 60.0) -> None:
        """Return once so many answers were sent; fail where that takes too long."""
        until = time.monotonic() + timeout_s
        while self.answered.total() < answers:
            assert time.monotonic() < until, f"{self.answered.total()} answers of {answers} in {timeout_s} s"
            time.sleep(0.005)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, as an ASGI application does."""
        body = await _body(receive)
        if scope["path"].endswith("/stats"):
            await _send(send, Told(content=json.dumps(self.stats).encode()))
            return
        if scope["method"] != "POST" or not scope["path"].endswith("/chat/completions"):
            await _send(send, fails(404, "no such path"))
            return
        digest = digest_of(body)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(body=body, headers=headers, digest=digest, nth=self.counts[digest], at=time.monotonic())
        self.asked.append(asked)
        self.counts[digest] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            told = self.script(asked)
            if told.latency_s:
                await asyncio.sleep(told.latency_s)
            if told.is_answer:
                self.answered[digest] += 1
            await _send(send, told)
        finally:
            self.in_flight -= 1


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of a request's body, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@contextmanager
def chat_server(script: Script = follows_schema) -> Iterator[ChatServer]:
    """A server on a port of its own while the block runs; `url` ends with `/v1`."""
    server = ChatServer(script)
    with _listener() as listener:
        server.url = _url(listener)
        running = uvicorn.Server(_config(server))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + _STARTED_WITHIN_S
        while not running.started:
            assert time.monotonic() < until, "the chat server did not start"
            time.sleep(0.002)
        try:
            yield server
        finally:
            running.should_exit = running.force_exit = True
            thread.join(10)


def main() -> None:
    """Serve until the process ends; the first line says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-s", type=float, default=0.0)
    server = ChatServer(slowly(follows_schema, parser.parse_args().latency_s))
    with _listener() as listener:
        sys.stdout.write(f"{_url(listener)}\n")
        sys.stdout.flush()
        uvicorn.Server(_config(server)).run(sockets=[listener])


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def _config(server: ChatServer) -> uvicorn.Config:
    # Cut off answers are an error to uvicorn; here they are meant.
    return uvicorn.Config(server, log_level=60, lifespan="off", access_log=False, timeout_keep_alive=30)


async def _body(receive: Any) -> dict[str, Any]:
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            found: dict[str, Any] = json.loads(content or b"{}")
            return found


async def _send(send: Any, told: Told) -> None:
    length = len(told.content) + (100 if told.is_cut_off else 0)
    headers = [_JSON, (b"content-length", str(length).encode())]
    headers += [(name.encode(), value.encode()) for name, value in told.headers.items()]
    await send({"type": "http.response.start", "status": told.status, "headers": headers})
    await send({"type": "http.response.body", "body": told.content})


if __name__ == "__main__":
    main()
