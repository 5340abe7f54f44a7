"""Deployments from Python: `aip.deployments.apply("qa", version="qa@champion", params={"top_k": 5}).wait()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.client.polling import poll
from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.jobs.api import upload_folder
from aiplatform.serve.model import (
    DEFAULT_NUM_CPUS,
    Deployment,
    DeploymentSpec,
    DeploymentState,
    Protocol,
    Revision,
    Status,
    spec_from,
)

__all__ = ["DeploymentHandle", "apply", "delete", "get", "list", "revisions", "rollback"]

POLL_S: Final = 0.5
WAIT_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class DeploymentHandle:
    """A deployment as it was last seen, and what can be done with it."""

    deployment: Deployment
    _client: Client = field(repr=False)

    @property
    def name(self) -> str:
        """The `model` that clients ask for."""
        return self.deployment.name

    @property
    def spec(self) -> DeploymentSpec:
        """What is wanted."""
        return self.deployment.spec

    @property
    def state(self) -> DeploymentState:
        """What was last seen."""
        return self.deployment.state

    @property
    def revision(self) -> int:
        """Number of the wanted revision."""
        return self.deployment.current.number

    def refresh(self) -> DeploymentHandle:
        """The deployment as it is now."""
        return get(self.name, client=self._client)

    def wait(self, timeout_s: float = WAIT_TIMEOUT_S, *, clock: Clock | None = None) -> DeploymentHandle:
        """Wait until the wanted revision answers (or, where no replicas are wanted, until none runs).

        Raises:
            RemoteError: It failed; the error carries why.
            TransientError: It does not answer in time; it goes on starting.
        """
        seen = poll(
            self.refresh,
            until=lambda deployment: deployment.state.status in {Status.READY, Status.STOPPED, Status.FAILED},
            every_s=POLL_S,
            timeout_s=timeout_s,
            clock=clock,
        )
        if seen.state.status in {Status.READY, Status.STOPPED}:
            return seen
        if seen.state.status is Status.FAILED:
            raise RemoteError(
                N_("The deployment {name!r} does not run: {problem}"),
                hint=N_("`aiplatform deployments get {name}` shows its state; rollback undoes the last change."),
                reason="deployment.failed",
                name=self.name,
                problem=seen.state.message or "",
            )
        raise TransientError(
            N_("The deployment {name!r} does not answer after {seconds:g} s: it is {status}."),
            hint=N_("It goes on starting: `aiplatform deployments get {name}` shows how far it is."),
            reason="deployment.slow",
            name=self.name,
            seconds=timeout_s,
            status=seen.state.status.value,
        )

    def rollback(self, *, to: int | None = None) -> DeploymentHandle:
        """Want an older revision again: by default the newest whose spec differs."""
        return rollback(self.name, to=to, client=self._client)

    def delete(self) -> None:
        """Want it no more."""
        delete(self.name, client=self._client)


def apply(
    name: str,
    *,
    cls: str | type[Any] | None = None,
    version: Any = None,
    params: Mapping[str, Any] | None = None,
    code: str | Path | None = None,
    replicas: int = 1,
    num_cpus: float = DEFAULT_NUM_CPUS,
    num_gpus: float = 0.0,
    protocol: Protocol | str = Protocol.CHAT,
    description: str = "",
    client: Client | None = None,
) -> DeploymentHandle:
    """Deploy a class or a registered version; applying the same again changes nothing.

    Args:
        name: The `model` that clients will ask for.
        cls: The class, or where it is: `package.module:Class`. With `version` it is the class that runs the version.
        version: A registered version: what `aip.models.register` gave, `qa@3`, `qa@champion` or `models:/qa/3`.
        params: Keyword arguments of the class; JSON values.
        code: Folder of your own modules to take along, or the artifact path of a zip of them.
        replicas: Copies that answer; 0 stops the deployment.
        num_cpus: Logical CPUs that Ray reserves for each replica.
        num_gpus: GPUs that Ray reserves for each replica.
        protocol: `chat` or `infer`.
        description: What it is, for people.
        client: By default one made from the environment.

    Raises:
        InvalidError: Neither class nor version is given, or a value is wrong.
        ConflictError: The cluster can never hold it.
    """
    client = client or Client()
    import_path = _import_path(cls)
    target = version_target(version) if version is not None else import_path
    if target is None:
        raise InvalidError(
            N_("What shall be deployed as {name!r}?"),
            hint=N_("Give cls, the class as package.module:Class, or version, a registered version."),
            reason="deployment.target",
            name=name,
        )
    body = {
        "target": target,
        "engine": import_path if version is not None else None,
        "code": upload_folder(code, client=client) if code is not None and Path(code).is_dir() else code,
        "params": dict(params or {}),
        "replicas": replicas,
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "protocol": str(protocol),
        "description": description,
    }
    spec_from({**body, "name": name})
    return _handle(client.put(f"/api/v1/deployments/{name}", body), client)


def list(*, client: Client | None = None) -> tuple[DeploymentHandle, ...]:  # noqa: A001 - a verb on a noun
    """Every deployment of the project, what needs somebody first."""
    client = client or Client()
    return tuple(_handle(item, client) for item in client.get("/api/v1/deployments")["items"])


def get(name: str, *, client: Client | None = None) -> DeploymentHandle:
    """One deployment."""
    client = client or Client()
    return _handle(client.get(f"/api/v1/deployments/{name}"), client)


def revisions(name: str, *, client: Client | None = None) -> Sequence[Revision]:
    """Every revision of a deployment, newest first."""
    client = client or Client()
    return [_revision(item) for item in client.get(f"/api/v1/deployments/{name}")["revisions"]]


def rollback(name: str, *, to: int | None = None, client: Client | None = None) -> DeploymentHandle:
    """Want an older revision again: by default the newest whose spec differs."""
    client = client or Client()
    return _handle(client.post(f"/api/v1/deployments/{name}:rollback", revision=to), client)


def delete(name: str, *, client: Client | None = None) -> None:
    """Want a deployment no more; its replicas end soon after."""
    (client or Client()).delete(f"/api/v1/deployments/{name}")


def version_target(version: Any) -> str:
    """`models:/qa/3` for whatever names a version: an object with name and version, `qa@3`, or the address itself."""
    if not isinstance(version, str):
        return f"models:/{version.name}/{version.version}"
    return version if version.startswith("models:/") else f"models:/{version}"


def _import_path(cls: str | type[Any] | None) -> str | None:
    return f"{cls.__module__}:{cls.__qualname__}" if isinstance(cls, type) else cls


def _handle(item: Mapping[str, Any], client: Client) -> DeploymentHandle:
    state = item["state"]
    deployment = Deployment(
        tenant_id=item["tenant"],
        project_id=item["project"],
        current=_revision(item["current"]),
        state=DeploymentState(**{**state, "status": Status(state["status"])}),
        created_ns=item["created_ns"],
    )
    return DeploymentHandle(deployment, client)


def _revision(item: Mapping[str, Any]) -> Revision:
    return Revision(**{**item, "spec": spec_from(item["spec"])})
