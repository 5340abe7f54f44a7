"""What stands in a replica: signature, trace and wire, asked as the door asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace

from aiplatform.core.errors import AIPlatformError, InvalidError, RemoteError, TransientError, UnauthenticatedError
from aiplatform.core.scope import Scope
from aiplatform.serve.http_host import HttpHost
from aiplatform.serve.ports import Method, ModelCall, ModelHost
from aiplatform.serve.replica import ModelServer
from aiplatform.serve.runner import ModelRunner
from aiplatform.serve.signing import DoorKeys
from aiplatform.serve.wire import decode
from aiplatform.testing.models import EchoModel, LocalModelHost

APPLICATION = "model-default.default.echo"
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


def local(model: Any, folder: Path) -> ModelHost:
    host = LocalModelHost()
    host.add(APPLICATION, model)
    return host


def over_http(model: Any, folder: Path) -> ModelHost:
    keys = DoorKeys(folder)
    server = ModelServer(APPLICATION, ModelRunner("echo", model, Method.CHAT), keys.of(APPLICATION))
    return HttpHost(OneAddress("http://replica"), keys, transport=httpx.ASGITransport(server))


@pytest.fixture(params=[local, over_http], ids=["local", "http"])
def make_host(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], ModelHost]:
    """A function that runs a model behind each kind of host."""
    return lambda model: request.param(model, tmp_path)


async def whole(host: ModelHost, asked: ModelCall) -> dict[str, Any]:
    return decode(await host.call(asked))


async def streamed(host: ModelHost, asked: ModelCall) -> list[dict[str, Any]]:
    return [decode(part) async for part in host.stream(asked)]


def test_a_model_answers_whole_and_in_parts(make_host: Callable[[Any], ModelHost]) -> None:
    host = make_host(EchoModel("> "))
    assert asyncio.run(whole(host, call("a b")))["message"]["content"] == "> ab"
    parts = asyncio.run(streamed(make_host(EchoModel("> ")), call("a b")))
    assert [part["delta"]["content"] for part in parts] == ["> ", "a", "b"]


def test_a_models_failure_arrives_as_its_sentence(make_host: Callable[[Any], ModelHost]) -> None:
    with pytest.raises(RemoteError, match="RuntimeError: asked to fail"):
        asyncio.run(whole(make_host(EchoModel()), call("fail")))
    with pytest.raises(RemoteError, match="RuntimeError: asked to fail"):
        asyncio.run(streamed(make_host(EchoModel()), call("fail")))


def test_what_the_model_does_not_offer_is_the_callers_mistake(make_host: Callable[[Any], ModelHost]) -> None:
    asked = call(
        "", method=Method.INFER, body=b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}'
    )
    with pytest.raises(InvalidError, match="does not offer 'infer'"):
        asyncio.run(whole(make_host(EchoModel()), asked))


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
    assert asyncio.run(whole(make_host(model), call("")))["message"]["content"] == TRACE_ID
    assert asyncio.run(streamed(make_host(model), call("")))[0]["delta"]["content"] == TRACE_ID
    after = asyncio.run(whole(make_host(model), call("", traceparent=None)))["message"]["content"]
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


def test_a_door_with_another_secret_is_refused_as_such(tmp_path: Path) -> None:
    server = ModelServer(APPLICATION, ModelRunner("m", EchoModel(), Method.CHAT), DoorKeys(tmp_path / "a").of("x"))
    host = HttpHost(OneAddress("http://replica"), DoorKeys(tmp_path / "b"), transport=httpx.ASGITransport(server))
    for work in (whole, streamed):
        with pytest.raises(UnauthenticatedError, match="through the platform's own address"):
            asyncio.run(work(host, call("a")))


def test_a_replica_that_is_gone_is_unavailable_and_looked_for_again(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    addresses = OneAddress("http://replica")
    host = HttpHost(addresses, DoorKeys(tmp_path), transport=httpx.MockTransport(refuse))
    for work in (whole, streamed):
        with pytest.raises(TransientError, match="No replica of the model 'echo'"):
            asyncio.run(work(host, call("a")))
    assert addresses.forgotten == [APPLICATION, APPLICATION]
    nowhere = HttpHost(OneAddress(), DoorKeys(tmp_path), transport=httpx.MockTransport(refuse))
    with pytest.raises(TransientError):
        asyncio.run(whole(nowhere, call("a")))


def test_replicas_are_asked_in_turn(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, json={"ok": {}})

    host = HttpHost(OneAddress("http://a", "http://b"), DoorKeys(tmp_path), transport=httpx.MockTransport(answer))

    async def ask_four() -> None:
        for _ in range(4):
            await host.call(call("x"))

    asyncio.run(ask_four())
    assert asked == ["a", "b", "a", "b"]


@pytest.mark.parametrize("error", [AIPlatformError("odd"), InvalidError("mine")])
def test_errors_that_the_model_chose_keep_their_status(tmp_path: Path, error: AIPlatformError) -> None:
    class Model:
        def chat(self, messages: Any) -> str:
            raise error

    with pytest.raises(AIPlatformError, match=str(error)) as caught:
        asyncio.run(whole(over_http(Model(), tmp_path), call("a")))
    assert caught.value.http_status == (400 if isinstance(error, InvalidError) else 502)
