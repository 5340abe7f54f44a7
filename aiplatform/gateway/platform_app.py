"""The application at `/`: pages, the management API, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from aiplatform import __version__
from aiplatform.gateway import health
from aiplatform.gateway.services import Services
from aiplatform.tenancy.middleware import secure
from aiplatform.tenancy.routing import Routes, attach


def build_platform(services: Services) -> FastAPI:
    """The application, every room's routes attached, behind authentication."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        services.close()

    app = FastAPI(
        title="aiplatform",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    attach(app, [health.build_routes(app, services.database), *_rooms(services)])
    return secure(app, services.authenticator, services.settings)


def _rooms(services: Services) -> list[Routes]:
    return []
