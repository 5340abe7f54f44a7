"""What stands in a replica: signature, trace and wire, asked as the door asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from opentelemetry import trace

from aiplatform.core.errors import AIPlatformError, InvalidError, RemoteError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.serve.http_host import HttpHost
from aiplatform.serve.ports import Method, ModelCall, ModelHost
from aiplatform.serve.replica import ModelServer
from aiplatform.serve.runner import ModelRunner
from aiplatform.serve.signing import DoorKeys
from aiplatform.serve.wire import decode
from aiplatform.testing.models import EchoModel, LocalModelHost

APPLICATION = "model-default.default.echo"
T = TypeVar("T")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def call(text: str, **changes: Any) -> ModelCall:
    body = {"model": "echo", "messages": [{"role": "user", "content": text}]}
    made = ModelCall(
        application=APPLICATION,
        scope=Scope(tenant_id="default", project_id="default"),
        principal="user:lin",
        method=Method.CHAT,
        request_id="req-1",
        body=json.dumps(body).encode(),
        traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01",
    )
    return replace(made, **changes)


class OneAddress:
    """Every application listens at one place."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.forgotten: list[str] = []

    async def of(self, application: str) -> Sequence[str]:
        return self.addresses

    def forget(self, application: str) -> None:
        self.forgotten.append(application)


@pytest.fixture(params=["local", "http"])
def make_host(
    request: pytest.FixtureRequest, tmp_path: Path, on_socket: Callable[[Any], str]
) -> Callable[[Any], ModelHost]:
    """A function that runs a model behind each kind of host."""
    keys = DoorKeys(tmp_path)

    def make(model: Any) -> ModelHost:
        if request.param == "local":
            host = LocalModelHost()
            host.add(APPLICATION, model)
            return host
        server = ModelServer(APPLICATION, ModelRunner("echo", model, Method.CHAT), keys.of(APPLICATION))
        return HttpHost(OneAddress(on_socket(server)), keys)

    return make


async def closing(host: ModelHost, work: Awaitable[T]) -> T:
    try:
        return await work
    finally:
        if isinstance(host, HttpHost):
            await host.close()


def whole(host: ModelHost, asked: ModelCall) -> dict[str, Any]:
    """The model's whole answer."""

    async def ask() -> dict[str, Any]:
        return decode(await host.call(asked))

    return asyncio.run(closing(host, ask()))


def streamed(host: ModelHost, asked: ModelCall) -> list[dict[str, Any]]:
    """The parts of the model's answer."""

    async def ask() -> list[dict[str, Any]]:
        return [decode(part) async for part in host.stream(asked)]

    return asyncio.run(closing(host, ask()))


def test_a_model_answers_whole_and_in_parts(make_host: Callable[[Any], ModelHost]) -> None:
    host = make_host(EchoModel("> "))
    assert whole(host, call("a b"))["message"]["content"] == "> ab"
    parts = streamed(make_host(EchoModel("> ")), call("a b"))
    assert [part["delta"]["content"] for part in parts] == ["> ", "a", "b"]


def test_a_models_failure_arrives_as_its_sentence(make_host: Callable[[Any], ModelHost]) -> None:
    with pytest.raises(RemoteError, match="RuntimeError: asked to fail"):
        whole(make_host(EchoModel()), call("fail"))
    with pytest.raises(RemoteError, match="RuntimeError: asked to fail"):
        streamed(make_host(EchoModel()), call("fail"))


def test_what_the_model_does_not_offer_is_the_callers_mistake(make_host: Callable[[Any], ModelHost]) -> None:
    asked = call(
        "", method=Method.INFER, body=b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}'
    )
    with pytest.raises(InvalidError, match="does not offer 'infer'"):
        whole(make_host(EchoModel()), asked)


def seen_trace(messages: Sequence[Mapping[str, Any]]) -> str:
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


async def seen_trace_async(messages: Sequence[Mapping[str, Any]]) -> str:
    return seen_trace(messages)


def seen_trace_parts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield seen_trace(messages)


async def seen_trace_async_parts(messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
    yield seen_trace(messages)


@pytest.mark.parametrize("chat", [seen_trace, seen_trace_async, seen_trace_parts, seen_trace_async_parts])
def test_the_models_own_code_runs_inside_the_callers_trace(
    make_host: Callable[[Any], ModelHost], chat: Callable[..., Any]
) -> None:
    model = type("Model", (), {"chat": staticmethod(chat)})()
    assert whole(make_host(model), call(""))["message"]["content"] == TRACE_ID
    assert streamed(make_host(model), call(""))[0]["delta"]["content"] == TRACE_ID
    after = whole(make_host(model), call("", traceparent=None))["message"]["content"]
    assert after != TRACE_ID


def test_an_unsigned_call_reaches_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Model:
        def chat(self, messages: Any) -> str:
            asked.append("asked")
            return ""

    server = ModelServer(APPLICATION, ModelRunner("m", Model(), Method.CHAT), DoorKeys(tmp_path).of(APPLICATION))

    async def knock() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://replica") as http:
            answers = [await http.post(path, content=call("a").body) for path in ("/call", "/stream", "/")]
            return [*[answer.status_code for answer in answers], (await http.get("/")).status_code]

    assert asyncio.run(knock()) == [401, 401, 401, 401]
    assert asked == []


def test_a_door_that_the_replica_does_not_know_is_the_platforms_own_fault(
    tmp_path: Path, on_socket: Callable[[Any], str]
) -> None:
    server = ModelServer(APPLICATION, ModelRunner("m", EchoModel(), Method.CHAT), DoorKeys(tmp_path / "a").of("x"))
    address = on_socket(server)
    for work in (whole, streamed):
        with pytest.raises(RemoteError, match="does not accept this door's signature"):
            work(HttpHost(OneAddress(address), DoorKeys(tmp_path / "b")), call("a"))


def test_a_replica_that_is_gone_is_unavailable_and_looked_for_again(tmp_path: Path) -> None:
    for work in (whole, streamed):
        addresses = OneAddress("http://127.0.0.1:9")
        with pytest.raises(TransientError, match="No replica of the model 'echo'"):
            work(HttpHost(addresses, DoorKeys(tmp_path)), call("a"))
        assert set(addresses.forgotten) == {APPLICATION}
        with pytest.raises(TransientError, match="No replica"):
            work(HttpHost(OneAddress(), DoorKeys(tmp_path)), call("a"))


def answering(status: int, body: bytes, asked: list[str] | None = None) -> Any:
    """An application that always answers the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if asked is not None:
            asked.append(scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


def test_the_next_replica_is_asked_where_one_cannot_be_reached(tmp_path: Path, on_socket: Callable[[Any], str]) -> None:
    host = HttpHost(
        OneAddress("http://127.0.0.1:9", on_socket(answering(200, b'{"ok": {"a": 1}}'))), DoorKeys(tmp_path)
    )
    assert whole(host, call("x")) == {"a": 1}


def test_replicas_are_asked_in_turn(tmp_path: Path, on_socket: Callable[[Any], str]) -> None:
    asked: tuple[list[str], list[str]] = ([], [])
    host = HttpHost(OneAddress(*[on_socket(answering(200, b"{}", one)) for one in asked]), DoorKeys(tmp_path))

    async def ask_four() -> None:
        for _ in range(4):
            await host.call(call("x"))

    asyncio.run(closing(host, ask_four()))
    assert [len(one) for one in asked] == [2, 2]


def test_a_replica_with_too_much_to_do_says_when_to_come_back(tmp_path: Path, on_socket: Callable[[Any], str]) -> None:
    address = on_socket(answering(503, b"Request dropped due to backpressure"))
    with pytest.raises(TransientError, match="more requests than it can take") as caught:
        whole(HttpHost(OneAddress(address), DoorKeys(tmp_path)), call("x"))
    assert caught.value.retry_after_s == 1.0


def test_a_replica_that_is_lost_midway_ends_the_stream_with_an_error(
    tmp_path: Path, on_socket: Callable[[Any], str]
) -> None:
    async def dies(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b'{"ok": {}}\n', "more_body": True})

    with pytest.raises(TransientError, match="No replica"):
        streamed(HttpHost(OneAddress(on_socket(dies)), DoorKeys(tmp_path)), call("x"))


@pytest.mark.parametrize("error", [AIPlatformError("odd"), InvalidError("mine")])
def test_errors_that_the_model_chose_keep_their_status(
    make_host: Callable[[Any], ModelHost], error: AIPlatformError
) -> None:
    class Model:
        def chat(self, messages: Any) -> str:
            raise error

    with pytest.raises(AIPlatformError, match=str(error)) as caught:
        whole(make_host(Model()), call("a"))
    assert caught.value.http_status == (400 if isinstance(error, InvalidError) else 502)
