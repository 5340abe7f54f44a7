"""The Serve deployment that a model runs in. This module is imported in replicas and where they are declared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from ray import serve

from aiplatform.runtime.replica_names import hide_application_name
from aiplatform.serve import asgi
from aiplatform.serve.materials import Materials
from aiplatform.serve.model import DeploymentSpec, Protocol, spec_from
from aiplatform.serve.ports import Method
from aiplatform.serve.replica import ModelServer
from aiplatform.serve.runner import ModelRunner, load_class
from aiplatform.serve.signing import read_secret

logger = logging.getLogger(__name__)

MAX_ONGOING_REQUESTS: Final = 32
MAX_QUEUED_REQUESTS: Final = 512
GRACEFUL_SHUTDOWN_S: Final = 10.0
HEALTH_CHECK_PERIOD_S: Final = 5.0
HEALTH_CHECK_TIMEOUT_S: Final = 60.0


class ModelReplica:
    """One replica: the user's class behind the door's signature."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        hide_application_name()
        self._model, self._server = _load(config)

    def __serve_build_asgi_app__(self) -> asgi.ASGIApp:
        return self._server

    async def ask(self, method: str, body: bytes, carrier: Mapping[str, str]) -> bytes:
        """The model's whole answer, or its error, as the wire's JSON."""
        return await self._server.answer(method, body, carrier)

    async def ask_parts(self, body: bytes, carrier: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The parts of a chat answer; an error is the last part."""
        async for part in self._server.parts(body, carrier):
            yield part

    async def check_health(self) -> None:
        """Serve's health check: the user's own where the class has one."""
        check = getattr(self._model, "check_health", None)
        if check is not None:
            result = await asyncio.to_thread(check)
            if asyncio.iscoroutine(result):
                await result


model: Any = serve.deployment(
    name="model",
    max_ongoing_requests=MAX_ONGOING_REQUESTS,
    max_queued_requests=MAX_QUEUED_REQUESTS,
    graceful_shutdown_timeout_s=GRACEFUL_SHUTDOWN_S,
    health_check_period_s=HEALTH_CHECK_PERIOD_S,
    health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
)(serve.ingress()(ModelReplica))


def _load(config: Mapping[str, Any]) -> tuple[Any, ModelServer]:
    """Make the user's model, and the server in front of it."""
    spec = spec_from(config["spec"])
    project_id, application = config["project_id"], config["application"]
    _begin_tracing(project_id, spec.name)
    made = _make(spec, Materials(project_id))
    method = Method.CHAT if spec.protocol is Protocol.CHAT else Method.INFER
    server = ModelServer(
        application,
        ModelRunner(spec.name, made, method),
        read_secret(Path(config["secret_file"])),
        attributes={
            "aiplatform.deployment": spec.name,
            "aiplatform.revision_id": config["revision_id"],
            "aiplatform.replica": serve.get_replica_context().replica_tag,
        },
    )
    logger.info("a model is ready", extra={"application": application, "target": spec.target})
    return made, server


def _make(spec: DeploymentSpec, materials: Materials) -> Any:
    folder = materials.code(spec.code) if spec.code else None
    import_path = spec.import_path
    if import_path is None:
        raise ValueError(f"the deployment {spec.name!r} names no class")
    options = dict(spec.params)
    if spec.version_ref is not None:
        options["model_path"] = materials.version(spec.version_ref)
    return load_class(import_path, folder)(**options)


def _begin_tracing(project_id: str, name: str) -> None:
    from aiplatform.tracing.sdk import init  # noqa: PLC0415 - in the replica alone

    init(project_id, service_name=f"model {name}")
