"""What serving needs from outside: a cluster that runs models, a way to call them, and what there is to run them on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from aiplatform.core.scope import Scope
from aiplatform.serve.model import DeploymentSpec, VersionRef
from aiplatform.tenancy.model import Caller


class Method(StrEnum):
    """What a replica can be asked."""

    CHAT = "chat"
    EMBED = "embed"
    INFER = "infer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of a model, as the door hands it on."""

    application: str
    scope: Scope
    principal: str
    method: Method
    request_id: str
    body: bytes
    """JSON of the protocol's own request."""

    traceparent: str | None = None
    tracestate: str | None = None


class ModelHost(Protocol):
    """Where models run, as the door sees it."""

    async def call(self, call: ModelCall) -> bytes:
        """The model's whole answer, as JSON.

        Raises:
            AIPlatformError: As the model raised it; `RemoteError` where the user's code failed, `TransientError` where
                no replica can be reached.
        """
        ...

    def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """The model's answer as JSON chunks, as they come; closing the iterator ends the work.

        Raises:
            AIPlatformError: As `call` does, before the first chunk or between two.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelApplication:
    """Everything that one model's Serve application needs to start. Holds no secret."""

    application: str
    scope: Scope
    revision_id: str
    spec: DeploymentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A model's application as the cluster tells of it."""

    phase: str
    """`starting`, `running`, `failed` or `deleting`."""

    message: str = ""
    """The cluster's own words, tracebacks included."""

    ready_replicas: int = 0
    all_replicas: int = 0


class ModelCluster(Protocol):
    """A cluster that runs models' applications."""

    def seen(self) -> Mapping[str, Seen]:
        """Every model application by name; other applications are left out."""
        ...

    def deploy(self, app: ModelApplication) -> None:
        """Begin to run it, or to roll to its revision; returns at once. The same revision again changes nothing."""
        ...

    def remove(self, application: str) -> None:
        """Begin to end it; one that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Logical CPUs and GPUs."""

    num_cpus: float
    num_gpus: float


class Capacity(Protocol):
    """What there is to run models on."""

    def nodes(self) -> Sequence[Resources] | None:
        """Total resources of each living node; None where nobody knows (Ray does not answer)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedVersion:
    """A registered version that exists."""

    name: str
    version: int
    loader: str | None
    """`module:Class` that it was registered with."""


class ModelVersions(Protocol):
    """The registry, as far as serving asks it."""

    def resolve(self, caller: Caller, ref: VersionRef) -> ResolvedVersion:
        """The version that `ref` names now, as far as the caller may see it.

        Raises:
            NotFoundError: There is none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSpan:
    """The one span that the door makes of a request."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_state: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    error: str | None = None


class SpanSink(Protocol):
    """Where the door's spans go, on behalf of the caller's tenant."""

    def emit(self, scope: Scope, span: DoorSpan) -> None:
        """Take the span and return at once; writing it never delays or fails the request."""
        ...
