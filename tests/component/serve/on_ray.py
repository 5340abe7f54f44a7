"""One walk through serving on a real Ray: run as a program on that Ray, it prints what it saw as JSON.

It stands for the worker and the door at once. Run by `test_on_ray.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.scope import Scope
from aiplatform.runtime.serve_rest import ServeRest
from aiplatform.serve.compute import HandleHost, LocalAddresses, RayCapacity, RayModelCluster
from aiplatform.serve.http_host import HttpHost
from aiplatform.serve.model import Deployment, DeploymentSpec, Status
from aiplatform.serve.ports import Method, ModelCall, ModelHost
from aiplatform.serve.reconciler import Reconciler
from aiplatform.serve.signing import DoorKeys, sign
from aiplatform.serve.store import DeploymentStore
from aiplatform.serve.wire import decode
from aiplatform.storage.database import Database

SCOPE = Scope(tenant_id="default", project_id="default")
ECHO = DeploymentSpec(name="echo", target="aiplatform.testing.models:EchoModel", params={"prefix": "> "})
BROKEN = replace(ECHO, name="broken", params={"broken": "the corpus is gone"})
PATIENCE_S = 60.0


class Walk:
    """What the walk uses, and what it saw."""

    def __init__(self, database_url: str, folder: Path, rest: ServeRest, http_port: int) -> None:
        self.store = DeploymentStore(Database(database_url))
        self.keys = DoorKeys(folder / "door")
        self.reconciler = Reconciler(self.store, RayModelCluster(self.keys, environment={"GIVEN": "yes"}))
        self.rest, self.http_port = rest, http_port
        self.seen: dict[str, Any] = {}

    def want(self, spec: DeploymentSpec) -> None:
        self.store.save(SCOPE, spec, author="user:lin", now_ns=time.time_ns())

    def get(self, name: str) -> Deployment:
        found = self.store.get(SCOPE, name)
        assert found is not None
        return found

    def reconcile_until(self, is_done: Callable[[], bool]) -> bool:
        """Pass after pass, as the worker does, until it is done or patience ends."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.reconciler.run()
            if is_done():
                return True
            time.sleep(0.3)
        return False

    def is_ready(self, name: str) -> bool:
        return self.get(name).state.status is Status.READY

    def declare_platform(self) -> None:
        """What the gateway does: declare all of the platform's own applications."""
        application = {"name": "other", "route_prefix": "/", "import_path": "tests.component.serve.on_ray:other"}
        options = {"host": "127.0.0.1", "port": self.http_port}
        self.rest.deploy({"proxy_location": "EveryNode", "http_options": options, "applications": [application]})
        self.rest.wait_running(["other"], timeout_s=PATIENCE_S)


class Other:
    """One of the platform's own applications."""

    def __call__(self) -> str:
        return "here"


other = serve.deployment(ray_actor_options={"num_cpus": 0})(Other).bind()


def call(deployment: Deployment, text: str, **changes: Any) -> ModelCall:
    request = {"model": deployment.name, "messages": [{"role": "user", "content": text}]}
    made = ModelCall(
        application=deployment.application,
        scope=SCOPE,
        principal="user:lin",
        method=Method.CHAT,
        request_id="req-1",
        body=json.dumps(request).encode(),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return replace(made, **changes)


async def ask(host: ModelHost, deployment: Deployment, text: str) -> str:
    answer = decode(await host.call(call(deployment, text)))
    return str(answer["message"]["content"])


async def ask_hosts(walk: Walk) -> None:
    """The same questions by handle and over HTTP."""
    echo, addresses = walk.get("echo"), LocalAddresses()
    http_host = HttpHost(addresses, walk.keys)
    hosts: dict[str, ModelHost] = {"handle": HandleHost(), "http": http_host}
    for name, host in hosts.items():
        said: dict[str, Any] = {"whole": await ask(host, echo, "a b")}
        said["parts"] = [decode(part)["delta"]["content"] async for part in host.stream(call(echo, "a b"))]
        said["embedding"] = decode(
            await host.call(call(echo, "", method=Method.EMBED, body=b'{"model":"echo","input":"abc"}'))
        )
        said["failure"] = await failure(ask(host, echo, "fail"))
        said["unknown"] = await failure(host.call(replace(call(echo, "a"), application="model-default.default.none")))
        walk.seen[name] = said
    walk.seen["settings"] = await ask(http_host, echo, "env AIPLATFORM_SETTINGS")
    walk.seen["project"] = await ask(http_host, echo, "env AIPLATFORM_PROJECT")
    walk.seen["given"] = await ask(http_host, echo, "env GIVEN")
    walk.seen["address"] = (await addresses.of(echo.application))[0]
    await http_host.close()


async def failure(work: Any) -> str:
    try:
        await work
    except AIPlatformError as error:
        return error.full_code
    return "answered"


def knock(walk: Walk) -> None:
    """At the replica's own port, past the door."""
    echo, address = walk.get("echo"), walk.seen["address"]
    known = sign(walk.keys.of(echo.application), call(echo, "a"), now_s=int(time.time()))
    foreign = sign(walk.keys.of("model-default.default.other"), call(echo, "a"), now_s=int(time.time()))
    walk.seen["knocks"] = {
        name: httpx.post(f"{address}{path}", content=call(echo, "a").body, headers=headers).status_code
        for name, path, headers in [
            ("signed", "/call", known),
            ("unsigned", "/call", {}),
            ("unsigned_stream", "/stream", {}),
            ("foreign", "/call", foreign),
            ("root", "/", {}),
            ("names", "/-/routes", {}),
        ]
    }


async def replica(walk: Walk) -> int:
    """Process id of the replica that answers."""
    return int((await ask(HandleHost(), walk.get("echo"), "pid")).split(" ")[-1])


def set_of_answers(walk: Walk) -> list[str]:
    """What clients hear, again and again, until the new revision is ready."""
    heard: set[str] = set()

    def listen() -> bool:
        heard.add(asyncio.run(failure(ask(HandleHost(), walk.get("echo"), "a"))))
        return walk.is_ready("echo")

    walk.seen["rolled"] = walk.reconcile_until(listen)
    return sorted(heard)


def lose(walk: Walk) -> None:
    """A replica that is killed comes back; an application that is gone comes back."""
    pid = asyncio.run(replica(walk))
    os.kill(pid, signal.SIGKILL)

    def answers_anew() -> bool:
        try:
            return asyncio.run(asyncio.wait_for(replica(walk), 10)) != pid
        except (AIPlatformError, TimeoutError):
            return False

    walk.seen["back_after_kill"] = walk.reconcile_until(answers_anew)
    serve.delete(walk.get("echo").application)
    walk.seen["back_after_delete"] = walk.reconcile_until(lambda: walk.is_ready("echo")) and answers_anew()


def main(database_url: str, folder: str, dashboard_url: str, token: str, gcs: str, http_port: str) -> None:
    rest = ServeRest(dashboard_url, token)
    ray.init(address=gcs, namespace="serve", log_to_driver=False)
    walk = Walk(database_url, Path(folder), rest, int(http_port))
    walk.declare_platform()
    walk.want(ECHO)
    walk.want(BROKEN)
    walk.seen["ready"] = walk.reconcile_until(lambda: walk.is_ready("echo"))
    walk.seen["state"] = walk.get("echo").state.ready_replicas
    asyncio.run(ask_hosts(walk))
    knock(walk)
    walk.declare_platform()
    walk.seen["after_declaring"] = sorted(serve.status().applications)
    walk.seen["other"] = httpx.get(f"http://127.0.0.1:{http_port}/").text
    walk.want(replace(ECHO, params={"prefix": "new "}))
    walk.seen["answers_while_rolling"] = set_of_answers(walk)
    walk.seen["new_answer"] = asyncio.run(ask(HandleHost(), walk.get("echo"), "a"))
    lose(walk)
    walk.seen["broken"] = walk.reconcile_until(lambda: walk.get("broken").state.status is Status.FAILED)
    walk.seen["why"] = walk.get("broken").state.message
    walk.seen["nodes"] = [(node.num_cpus, node.num_gpus) for node in RayCapacity().nodes() or ()]
    walk.store.remove(SCOPE, "echo", author="user:lin", now_ns=time.time_ns())
    walk.store.remove(SCOPE, "broken", author="user:lin", now_ns=time.time_ns())
    walk.seen["ended"] = walk.reconcile_until(lambda: sorted(serve.status().applications) == ["other"])
    sys.stdout.write("SEEN " + json.dumps(walk.seen) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
