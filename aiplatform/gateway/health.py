"""Is it alive, is it ready: for load balancers, probes and `aiplatform up`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import text

from aiplatform import __version__
from aiplatform.core.errors import AIPlatformError
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes


def build_routes(app: FastAPI, database: Database) -> Routes:
    """`/healthz`, `/readyz` and the OpenAPI document.

    Args:
        app: The application that the document describes.
        database: What must answer before anybody is served.
    """
    routes = Routes()

    @routes.get("/healthz", permission=Permission.PUBLIC, tags=["health"])
    def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok", "version": __version__}

    @routes.get("/readyz", permission=Permission.PUBLIC, tags=["health"])
    def readyz() -> JSONResponse:
        """Whether it can serve: the database answers."""
        try:
            with database.system("health", write=False) as tx:
                tx.execute(text("SELECT 1"))
        except AIPlatformError as error:
            return JSONResponse({"status": "waiting", "database": error.full_code}, status_code=503)
        return JSONResponse({"status": "ready", "database": "ok"})

    @routes.get("/api/openapi.json", permission=Permission.SIGNED_IN, include_in_schema=False)
    def openapi() -> dict[str, Any]:
        """The OpenAPI document of everything under `/api`."""
        return app.openapi()

    return routes
