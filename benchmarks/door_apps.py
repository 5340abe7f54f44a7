"""The Serve applications that `door.py` compares: a bare one, and our door with three ways to an answer."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import orjson
from ray import serve

from aiplatform.core.scope import Scope
from aiplatform.core.settings import load
from aiplatform.gateway.door_app import build_door
from aiplatform.gateway.services import Services
from aiplatform.serve.compute import HandleHost, LocalAddresses
from aiplatform.serve.directory import Directory
from aiplatform.serve.http_host import HttpHost
from aiplatform.serve.model import Deployment
from aiplatform.serve.openai import OpenAIDoor
from aiplatform.serve.ports import DoorSpan, ModelCall, ModelHost, SpanSink
from aiplatform.serve.spans import export_request
from aiplatform.serve.wire import encode_value
from aiplatform.tenancy.middleware import AuthenticationMiddleware

ANSWER: Final = {"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop", "usage": None}
OWN_LOOP: Final = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}


class Echo:
    """A model that answers at once."""

    def chat(self, messages: Sequence[Any]) -> str:
        """Always the same."""
        return "42"


class SelfAnswering:
    """A host that answers inside the door: what the door itself costs."""

    async def call(self, call: ModelCall) -> bytes:
        """The answer of a model, without a model."""
        return encode_value(ANSWER)

    def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """Not measured."""
        raise NotImplementedError


class HandedOver:
    """Takes spans as they leave the door, as the bytes of a request, and stores nothing."""

    def __init__(self) -> None:
        self.num_bytes = 0

    def emit(self, scope: Scope, span: DoorSpan) -> None:
        """Write the span down as an exporter would."""
        self.num_bytes += len(export_request([span]))


class OneDeployment:
    """A list of deployments that always holds the one of the benchmark, ready."""

    def __init__(self, services: Services) -> None:
        self._store = services.deployment_store

    def list(self, scope: Scope) -> Sequence[Deployment]:
        """The platform's own rows."""
        return self._store.list(scope)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    body = orjson.dumps({"choices": [{"message": ANSWER["message"]}]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _door(make_host: Any, sink: SpanSink | None = None) -> Any:
    services = Services(load().settings)
    door = OpenAIDoor(Directory(OneDeployment(services)), make_host(services), sink=sink or services.span_sink)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await (bare if scope["type"] == "lifespan" else door)(scope, receive, send)

    return AuthenticationMiddleware(answer, services.tenancy.authenticator, services.settings)


def _self(_services: Services) -> ModelHost:
    return SelfAnswering()


def _handle(_services: Services) -> ModelHost:
    return HandleHost()


def _http(services: Services) -> ModelHost:
    return HttpHost(LocalAddresses(), services.door_keys)


def _deployment(build: Any) -> Any:
    class Application:
        """One of the compared applications."""

    wrapped = serve.ingress(build)(Application)
    return serve.deployment(name="app", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})(wrapped).bind()


bare_app = _deployment(lambda: bare)
made_app = _deployment(lambda: _door(_self, HandedOver()))
self_app = _deployment(lambda: _door(_self))
handle_app = _deployment(lambda: _door(_handle))
http_app = _deployment(lambda: _door(_http))
real_app = _deployment(lambda: build_door(Services(load().settings)))

__all__ = ["Echo", "bare_app", "handle_app", "http_app", "made_app", "os", "real_app", "self_app"]
