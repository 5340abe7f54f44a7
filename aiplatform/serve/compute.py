"""Ray Serve as the cluster that runs models, and as the way to call them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import psutil
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.constants import (
    RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT,
    RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT,
)
from ray.serve.api import RunTarget
from ray.serve.context import _get_global_client
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from aiplatform.core.errors import AIPlatformError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.serve.faults import busy, unreachable
from aiplatform.serve.model import APPLICATION_PREFIX, DeploymentSpec
from aiplatform.serve.ports import ModelApplication, ModelCall, Resources, Seen
from aiplatform.serve.ray_app import model
from aiplatform.serve.signing import DoorKeys

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 2.0

_PHASES: Final = {
    ApplicationStatus.NOT_STARTED: "starting",
    ApplicationStatus.DEPLOYING: "starting",
    ApplicationStatus.RUNNING: "running",
    ApplicationStatus.DEPLOY_FAILED: "failed",
    ApplicationStatus.UNHEALTHY: "failed",
    ApplicationStatus.DELETING: "deleting",
}


class RayModelCluster:
    """Models as Serve applications of the Ray that this process belongs to.

    Applications are declared one by one, not through Serve's configuration: that lists the platform's own
    applications, and a new version of it removes only what an earlier version of it brought.

    Args:
        keys: The door's secrets.
        environment: Variables of every replica. Serve's API shows them: never a secret.
    """

    def __init__(self, keys: DoorKeys, *, environment: Mapping[str, str] | None = None) -> None:
        self._keys = keys
        self._environment = dict(environment or {})

    def seen(self) -> Mapping[str, Seen]:
        """Every model application by name.

        Raises:
            TransientError: Ray or Serve do not answer.
        """
        try:
            applications = serve.status().applications
        except (RayError, RayServeException, ConnectionError) as error:
            raise TransientError(
                N_("Ray Serve does not answer: {problem}"),
                hint=N_("`aiplatform up` brings it back."),
                reason="serve.unavailable",
                problem=str(error).splitlines()[0] if str(error) else type(error).__name__,
            ) from error
        return {name: _seen(one) for name, one in applications.items() if name.startswith(APPLICATION_PREFIX)}

    def deploy(self, app: ModelApplication) -> None:
        """Begin to run it, or to roll to its revision; returns at once."""
        spec = app.spec
        config = {
            "application": app.application,
            "project_id": app.scope.project_id,
            "revision_id": app.revision_id,
            "spec": spec.as_dict(),
            "secret_file": str(self._keys.file_of(app.application)),
        }
        environment = {**self._environment, "AIPLATFORM_PROJECT": app.scope.project_id or ""}
        deployment = model.options(
            num_replicas=spec.replicas,
            max_surge_percent=100 if _has_room_beside(spec) else 0,
            ray_actor_options={
                "num_cpus": spec.num_cpus,
                "num_gpus": spec.num_gpus,
                # Given in full, so that the worker's own environment, with the control plane's settings, is not copied.
                "runtime_env": {"env_vars": environment},
            },
        )
        serve.run_many(
            [RunTarget(target=deployment.bind(config), name=app.application, route_prefix=None)],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )

    def remove(self, application: str) -> None:
        """Begin to end it; one that is not there is no error."""
        serve.delete(application, _blocking=False)


def _has_room_beside(spec: DeploymentSpec) -> bool:
    """Whether new replicas fit beside the old: then these answer until those do, else they make room first."""
    free = ray.available_resources()
    wanted = {"CPU": spec.replicas * spec.num_cpus, "GPU": spec.replicas * spec.num_gpus}
    return all(free.get(name, 0.0) >= amount for name, amount in wanted.items())


def _seen(overview: ApplicationStatusOverview) -> Seen:
    deployments = list(overview.deployments.values())
    messages = [one.message for one in deployments if one.message]
    states = [one.replica_states for one in deployments]
    return Seen(
        phase=_PHASES[overview.status],
        message="\n".join(messages) or overview.message,
        ready_replicas=sum(state.get("RUNNING", 0) for state in states),
        all_replicas=sum(sum(state.values()) for state in states),
    )


class RayCapacity:
    """What the cluster that this process belongs to has in all."""

    def nodes(self) -> Sequence[Resources] | None:
        """Total resources of each living node; None where Ray does not answer."""
        try:
            nodes = ray.nodes()
        except (RayError, ConnectionError):
            return None
        return [
            Resources(num_cpus=node["Resources"].get("CPU", 0.0), num_gpus=node["Resources"].get("GPU", 0.0))
            for node in nodes
            if node["Alive"]
        ]


class HandleHost:
    """Calls models by Serve handle. Belongs to one event loop."""

    def __init__(self) -> None:
        self._handles: dict[str, DeploymentHandle] = {}

    async def call(self, call: ModelCall) -> bytes:
        """The model's whole answer, as JSON.

        Raises:
            TransientError: No replica can be reached.
        """
        handle = await self._handle(call)
        response = handle.ask.remote(call.method.value, call.body, carrier_of(call))
        try:
            answer: bytes = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except (RayError, RayServeException) as error:
            raise self._lost(call, error) from error
        return answer

    async def stream(self, call: ModelCall) -> AsyncIterator[bytes]:
        """The model's answer as JSON chunks, as they come.

        Raises:
            TransientError: No replica can be reached, or it was lost midway.
        """
        handle = await self._handle(call)
        response = handle.options(stream=True).ask_parts.remote(call.body, carrier_of(call))
        is_complete = False
        try:
            async for part in response:
                yield part
            is_complete = True
        except (RayError, RayServeException) as error:
            is_complete = True
            raise self._lost(call, error) from error
        finally:
            if not is_complete:
                response.cancel()

    async def _handle(self, call: ModelCall) -> DeploymentHandle:
        known = self._handles.get(call.application)
        if known is not None:
            return known
        try:
            handle = await asyncio.to_thread(serve.get_app_handle, call.application)
        except (RayError, RayServeException) as error:
            raise unreachable(call, error) from error
        self._handles[call.application] = handle
        return handle

    def _lost(self, call: ModelCall, error: Exception) -> AIPlatformError:
        if isinstance(error, BackPressureError):
            return busy(call)
        if isinstance(error, DeploymentUnavailableError):
            self._handles.pop(call.application, None)
        logger.warning("a replica was lost", extra={"application": call.application, "problem": str(error)[:500]})
        return unreachable(call, error)


class LocalAddresses:
    """Where replicas on this machine listen, found by their process ids. Belongs to one event loop.

    What is known is used while it is looked up again, so that no call waits for that; it is looked up more often than
    an old replica takes to drain.
    """

    def __init__(self) -> None:
        self._known: dict[str, Sequence[str]] = {}
        self._looked: dict[str, float] = {}
        self._looking: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def of(self, application: str) -> Sequence[str]:
        """Base addresses; empty where none listens."""
        known = self._known.get(application)
        if known and time.monotonic() - self._looked[application] < LOOK_AGAIN_S:
            return known
        looking = self._looking.get(application)
        if looking is None:
            looking = self._looking[application] = asyncio.create_task(self._look(application))
        if known:
            return known
        return await asyncio.shield(looking)

    def forget(self, application: str) -> None:
        """Look again before the next call."""
        self._known.pop(application, None)

    async def _look(self, application: str) -> Sequence[str]:
        try:
            found = await asyncio.to_thread(_listening, application)
        except (RayError, RayServeException) as error:
            logger.warning(
                "replicas cannot be looked for", extra={"application": application, "problem": str(error)[:500]}
            )
            found = []
        del self._looking[application]
        self._known[application], self._looked[application] = found, time.monotonic()
        return found


def _listening(application: str) -> list[str]:
    client = _get_global_client()
    details: dict[str, Any] = client.get_serve_details() if client is not None else {}
    deployments = details.get("applications", {}).get(application, {}).get("deployments", {})
    found = []
    for deployment in deployments.values():
        for replica in deployment.get("replicas", ()):
            if replica.get("state") == "RUNNING" and replica.get("pid"):
                found.extend(_sockets(replica["pid"]))
    return found


def _sockets(pid: int) -> list[str]:
    ports = range(RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT, RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT + 1)
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return []
    return [
        f"http://{one.laddr.ip}:{one.laddr.port}"
        for one in sockets
        if one.status == psutil.CONN_LISTEN and one.laddr.port in ports
    ]


def carrier_of(call: ModelCall) -> dict[str, str]:
    """W3C trace headers of a call."""
    carrier = {"traceparent": call.traceparent or "", "tracestate": call.tracestate or ""}
    return {name: value for name, value in carrier.items() if value}
