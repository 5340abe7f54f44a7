"""Models without Ray: a cluster that only remembers, and a host that runs model classes in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.serve.faults import unreachable
from aiplatform.serve.ports import (
    Method,
    ModelApplication,
    ModelCall,
    ResolvedVersion,
    Resources,
    Seen,
)
from aiplatform.serve.replica import ModelServer
from aiplatform.serve.runner import ModelRunner

TEST_SECRET = b"a secret of the tests, 32 bytes."


@dataclass
class FakeModelCluster:
    """Behaves as Serve does: what is deployed starts, and runs when the test says so."""

    applications: dict[str, Seen] = field(default_factory=dict)
    deployed: list[ModelApplication] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refusal: Exception | None = None
    """What `deploy` raises, where it shall."""

    def seen(self) -> Mapping[str, Seen]:
        """Every application by name."""
        return dict(self.applications)

    def deploy(self, app: ModelApplication) -> None:
        """Begin to run it."""
        if self.refusal is not None:
            raise self.refusal
        self.deployed.append(app)
        former = self.applications.get(app.application)
        self.applications[app.application] = Seen(
            phase="starting", ready_replicas=0 if former is None else former.ready_replicas
        )

    def remove(self, application: str) -> None:
        """Begin to end it."""
        self.removed.append(application)
        if application in self.applications:
            self.applications[application] = Seen(phase="deleting")

    def settle(self) -> None:
        """Let everything that starts run, and everything that ends be gone."""
        replicas = {app.application: app.spec.replicas for app in self.deployed}
        for name, seen in list(self.applications.items()):
            if seen.phase == "deleting":
                del self.applications[name]
            elif seen.phase == "starting":
                self.applications[name] = Seen(phase="running", ready_replicas=replicas[name])

    def fail(self, application: str, message: str) -> None:
        """Let one fail with a message."""
        self.applications[application] = replace(self.applications[application], phase="failed", message=message)


@dataclass
class FakeCapacity:
    """A cluster of the machines that the test names."""

    machines: Sequence[Resources] | None = (Resources(num_cpus=4.0, num_gpus=0.0),)

    def nodes(self) -> Sequence[Resources] | None:
        """Total resources of each machine."""
        return self.machines


@dataclass
class FakeVersions:
    """A registry with the versions that the test names: `qa@3` or `qa@champion` to number and class."""

    known: dict[str, ResolvedVersion] = field(default_factory=dict)

    def resolve(self, caller: Any, ref: Any) -> ResolvedVersion:
        """The version that `ref` names now."""
        name = f"{ref.name}@{ref.alias if ref.version is None else ref.version}"
        if name not in self.known:
            raise NotFoundError(N_("There is no model version {name!r}."), reason="registry.unknown", name=name)
        return self.known[name]


class LocalModelHost:
    """Runs model classes in this process, behind the same server that stands in a replica."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []
        self._servers: dict[str, ModelServer] = {}

    def add(self, application: str, model: Any, method: Method = Method.CHAT) -> ModelServer:
        """Run `model` under an application's name."""
        runner = ModelRunner(application.rsplit(".", 1)[-1], model, method)
        self._servers[application] = ModelServer(application, runner, TEST_SECRET)
        return self._servers[application]

    async def call(self, call: ModelCall) -> bytes:
        """The model's whole answer, as JSON."""
        return await self._server(call).answer(call.method.value, call.body, _carrier(call))

    async def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """The model's answer as JSON chunks, as they come."""
        async for part in self._server(call).parts(call.body, _carrier(call)):
            yield part

    def _server(self, call: ModelCall) -> ModelServer:
        self.calls.append(call)
        server = self._servers.get(call.application)
        if server is None:
            raise unreachable(call)
        return server


def _carrier(call: ModelCall) -> dict[str, str]:
    return {"traceparent": call.traceparent} if call.traceparent else {}


class EchoModel:
    """Says back what it was asked; `env NAME`, `pid` and `fail` are commands.

    Args:
        prefix: What every answer begins with.
        broken: What making it shall fail with.
    """

    def __init__(self, prefix: str = "", broken: str = "") -> None:
        if broken:
            raise ValueError(broken)
        self._prefix = prefix

    def chat(self, messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The last message, word by word."""
        said = str(messages[-1]["content"])
        if said == "fail":
            raise RuntimeError("asked to fail")
        if said == "pid":
            said = str(os.getpid())
        if said.startswith("env "):
            said = os.environ.get(said.removeprefix("env "), "unset")
        yield self._prefix
        yield from said.split(" ")

    def embed(self, inputs: Sequence[str]) -> list[list[float]]:
        """Lengths."""
        return [[float(len(text))] for text in inputs]
