"""The application at `/`: pages, the management API, the Open Inference Protocol, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aiplatform import __version__
from aiplatform.eval import routes as eval_routes
from aiplatform.eval.calling.routes import build_call_routes
from aiplatform.eval.judging import routes as judging_routes
from aiplatform.eval.online import routes as online_routes
from aiplatform.eval.reviewing import routes as review_routes
from aiplatform.gateway import health
from aiplatform.gateway.rooms import Rooms
from aiplatform.jobs import routes as jobs_routes
from aiplatform.registry import routes as registry_routes
from aiplatform.registry.artifact_routes import build_artifact_routes
from aiplatform.registry.trace_routes import build_trace_routes
from aiplatform.serve import routes as serve_routes
from aiplatform.serve.oip import InferenceDoor
from aiplatform.tenancy import routes as tenancy_routes
from aiplatform.tenancy.middleware import secure
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Guarded, Routes, attach
from aiplatform.tenancy.sign_in import build_sign_in_routes
from aiplatform.tracing import routes as tracing_routes
from aiplatform.tracing.langfuse import build_langfuse_routes
from aiplatform.tracing.status_bodies import StatusBodies
from aiplatform.train import routes as train_routes
from aiplatform.ui.routes import Ui, build_ui


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
    ui = build_ui(rooms.for_pages())
    attach(app, [health.build_routes(app, rooms.database), *_routes(rooms, ui)])
    secure(
        app,
        rooms.tenancy.authenticator,
        rooms.settings,
        error_page=ui.error_page,
        admission=rooms.tenancy.admission,
    )
    # Added last, it stands outermost: what the authentication layer answers is rewritten too.
    app.add_middleware(StatusBodies)
    return app


def _routes(rooms: Rooms, ui: Ui) -> list[Routes]:
    """Every room's routes; the pages' come last, whose first segment is any tenant's name."""
    return [
        tenancy_routes.build_routes(rooms.tenancy),
        build_sign_in_routes(rooms.tenancy, rooms.settings, page=ui.sign_in_page),
        tracing_routes.build_routes(rooms.traces),
        build_langfuse_routes(rooms.traces, rooms.otlp_entries, max_body_bytes=rooms.max_otlp_bytes),
        build_artifact_routes(rooms.artifacts),
        registry_routes.build_routes(rooms.datasets, rooms.models, rooms.experiments, rooms.lineage),
        build_trace_routes(rooms.collector),
        jobs_routes.build_routes(rooms.jobs),
        train_routes.build_routes(rooms.training),
        eval_routes.build_routes(rooms.evaluations),
        build_call_routes(rooms.evaluation_calls),
        judging_routes.build_routes(rooms.judges),
        online_routes.build_routes(rooms.online),
        review_routes.build_routes(rooms.reviews),
        serve_routes.build_routes(rooms.deployments),
        _inference(rooms),
        ui.routes,
    ]


def _inference(rooms: Rooms) -> Routes:
    """The Open Inference Protocol at `/v2`: health is public there, and the door asks for what else needs."""
    routes = Routes(include_in_schema=False)
    door = OnFirstCall(rooms)
    routes.mount_guarded("/v2", door, permission=Permission.PUBLIC)
    # A mount answers what lies below its path; the protocol's own description lies at the path itself.
    routes.routes.append(Route("/v2", Guarded(door, Permission.PUBLIC)))
    return routes


class OnFirstCall:
    """The door at `/v2`, made on the event loop that it will always run on: its connections belong to one."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._door: InferenceDoor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._door is None:
            rooms = self._rooms
            self._door = InferenceDoor(rooms.model_directory(), rooms.model_host(), sink=rooms.span_sink)
        await self._door(scope, receive, send)
