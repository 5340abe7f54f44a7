"""The application at `/`: pages, the management API, the Open Inference Protocol, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from aiplatform import __version__
from aiplatform.gateway import health
from aiplatform.gateway.rooms import Rooms
from aiplatform.serve import routes as serve_routes
from aiplatform.tenancy import routes as tenancy_routes
from aiplatform.tenancy.middleware import secure
from aiplatform.tenancy.routing import Routes, attach
from aiplatform.tenancy.sign_in import build_sign_in_routes


def build_platform(rooms: Rooms) -> FastAPI:
    """The application, every room's routes attached, behind authentication."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        rooms.close()

    app = FastAPI(
        title="aiplatform",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    attach(app, [health.build_routes(app, rooms.database), *_routes(rooms)])
    return secure(app, rooms.tenancy.authenticator, rooms.settings)


def _routes(rooms: Rooms) -> list[Routes]:
    return [
        tenancy_routes.build_routes(rooms.tenancy),
        build_sign_in_routes(rooms.tenancy, rooms.settings),
        serve_routes.build_routes(rooms.deployments),
    ]
