"""The application at `/mlflow`: MLflow's own server behind our authentication, in a process of its own."""

from __future__ import annotations

from starlette.types import ASGIApp

from aiplatform.gateway.rooms import read_seal
from aiplatform.gateway.services import Services
from aiplatform.registry.mlflow_app import MlflowStore, build_mlflow_app, mlflow_artifacts_url, mlflow_database_url
from aiplatform.tenancy.middleware import AuthenticationMiddleware
from aiplatform.tracing.mlflow_traces import MlflowTraces


def build_mlflow(services: Services) -> ASGIApp:
    """The application."""
    settings = services.settings
    store = MlflowStore(
        database_url=mlflow_database_url(settings.database_url),
        artifacts_url=mlflow_artifacts_url(settings.artifacts_url),
    )

    def protect(app: ASGIApp) -> ASGIApp:
        tenancy = services.tenancy
        return AuthenticationMiddleware(app, tenancy.authenticator, settings, admission=tenancy.admission)

    traces = MlflowTraces(services.traces, services.database)
    return build_mlflow_app(
        store, protect=protect, seal=read_seal(services), traces=traces, max_otlp_bytes=services.max_otlp_bytes
    )
