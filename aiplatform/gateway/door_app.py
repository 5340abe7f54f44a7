"""The application at `/v1`: OTLP in, and the models' OpenAI protocol out. Raw ASGI behind one authentication layer."""

from __future__ import annotations

import os
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aiplatform.gateway.serve_config import GRPC_VARIABLE
from aiplatform.gateway.services import Services
from aiplatform.serve.openai import OpenAIDoor
from aiplatform.tenancy.grpc_door import GrpcDoor
from aiplatform.tenancy.middleware import AuthenticationMiddleware
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.grpc_methods import otlp_methods
from aiplatform.tracing.status_bodies import StatusBodies

PREFIX: Final = "/v1"
GRPC_GRACE_S: Final = 5.0


class Door:
    """Sends each request to the room whose path it is.

    Args:
        services: What the rooms need.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        max_body_bytes = services.max_otlp_bytes
        self._signals = {
            entry.signal.path: OtlpEndpoint(entry, max_body_bytes=max_body_bytes) for entry in services.otlp_entries
        }
        self._models: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        signal = self._signals.get(scope["path"].rstrip("/"))
        await (signal or self._model_door())(scope, receive, send)

    def _model_door(self) -> ASGIApp:
        # Made on the event loop that it will always run on, which its connections belong to.
        if self._models is None:
            services = self._services
            self._models = OpenAIDoor(services.model_directory(), services.model_host(), sink=services.span_sink)
        return self._models

    def _grpc_door(self) -> GrpcDoor | None:
        """OTLP by gRPC, where the environment says at which address; in this process, which writes spans anyway."""
        services = self._services
        if not os.environ.get(GRPC_VARIABLE):
            return None
        methods = otlp_methods(services.otlp_entries)
        tenancy = services.tenancy
        return GrpcDoor(
            methods, tenancy.authenticator, max_body_bytes=services.max_otlp_bytes, admission=tenancy.admission
        )

    async def _live(self, receive: Receive, send: Send) -> None:
        grpc_door = self._grpc_door()
        while (await receive())["type"] != "lifespan.shutdown":
            if grpc_door is not None:
                await grpc_door.start(os.environ[GRPC_VARIABLE])
            await send({"type": "lifespan.startup.complete"})
        if grpc_door is not None:
            await grpc_door.stop(GRPC_GRACE_S)
        self._services.close()
        await send({"type": "lifespan.shutdown.complete"})


def build_door(services: Services) -> ASGIApp:
    """The application, behind authentication."""
    tenancy = services.tenancy
    return StatusBodies(
        AuthenticationMiddleware(Door(services), tenancy.authenticator, services.settings, admission=tenancy.admission)
    )
