"""The platform's Serve applications: what `import_path` names in Serve's configuration.

Nothing heavy is imported here: Serve imports this module once more to read the deployments, in a process that serves
nothing. The builders run in the replicas.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from ray import serve
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiplatform.core.settings import Settings, load


class UnderServe:
    """An ASGI application as Serve runs it: Serve says each request's id itself, so ours is not said twice."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""

        async def once(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, once)


def _settings(application: str) -> Settings:
    from aiplatform.gateway.logs import write_logs  # noqa: PLC0415 - in the replica alone

    settings = load().settings
    write_logs(settings.data_dir / "logs", application)
    return settings


def _platform() -> Any:
    from aiplatform.gateway.platform_app import build_platform  # noqa: PLC0415 - in the replica alone
    from aiplatform.gateway.rooms import Rooms  # noqa: PLC0415 - in the replica alone

    return UnderServe(build_platform(Rooms(_settings("platform"))))


def _door() -> Any:
    from aiplatform.gateway.door_app import build_door  # noqa: PLC0415 - in the replica alone
    from aiplatform.gateway.services import Services  # noqa: PLC0415 - in the replica alone

    return UnderServe(build_door(Services(_settings("door"))))


def _mlflow() -> Any:
    from aiplatform.gateway.mlflow_app import build_mlflow  # noqa: PLC0415 - in the replica alone
    from aiplatform.gateway.services import Services  # noqa: PLC0415 - in the replica alone

    return UnderServe(build_mlflow(Services(_settings("mlflow"))))


class Platform:
    """Pages, the management API, health."""


class Door:
    """OTLP in, and the models' OpenAI protocol."""


class Mlflow:
    """The hosted MLflow server."""


class WorkerReplica:
    """The worker. It has no route; whoever finds its port is answered 404."""

    def __init__(self) -> None:
        from aiplatform.gateway.rooms import Rooms  # noqa: PLC0415 - in the replica alone
        from aiplatform.gateway.worker_app import build_worker  # noqa: PLC0415 - in the replica alone

        holder = f"{socket.gethostname()}:{os.getpid()}"
        self._rooms = Rooms(_settings("worker"))
        self._worker = build_worker(self._rooms, holder=holder)
        self._worker.start()

    async def __call__(self, _request: Any) -> Any:
        """Nothing is answered here."""
        from starlette.responses import Response  # noqa: PLC0415 - in the replica alone

        return Response(status_code=404)

    def check_health(self) -> None:
        """Serve replaces the replica where a thread of it has died."""
        if not self._worker.is_alive:
            raise RuntimeError("a thread of the worker has died")

    def __del__(self) -> None:
        if hasattr(self, "_worker"):
            self._worker.stop()
            self._rooms.close()


def _application(name: str, ingress: type[Any]) -> Any:
    """What Serve's configuration names; how many replicas and how large, the configuration says."""
    return serve.deployment(name=name)(ingress).bind()


platform = _application("platform", serve.ingress(_platform)(Platform))
door = _application("door", serve.ingress(_door)(Door))
mlflow = _application("mlflow", serve.ingress(_mlflow)(Mlflow))
worker = _application("worker", WorkerReplica)
