"""The hosted MLflow in a process of its own, as a replica holds it."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from aiplatform.core.settings import Settings
from aiplatform.registry.mlflow_app import MlflowStore, build_mlflow_app, mlflow_database_url
from aiplatform.registry.sealing import CallerSeal
from aiplatform.storage.database import Database
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.middleware import AuthenticationMiddleware
from aiplatform.tracing.mlflow_traces import MlflowTraces
from aiplatform.tracing.service import Traces


def main(database_url: str, folder: Path, secret: str) -> None:
    """Serve until ended; prints the port."""
    settings = Settings(data_dir=folder)
    database = Database(database_url)
    authenticator = Authenticator(database)
    app = build_mlflow_app(
        MlflowStore(database_url=mlflow_database_url(database_url), artifacts_url=(folder / "files").as_uri()),
        protect=lambda inner: AuthenticationMiddleware(inner, authenticator, settings),
        seal=CallerSeal(secret),
        traces=MlflowTraces(Traces(database), database),
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    sockets = [config.bind_socket()]
    sockets[0].listen()  # before the port is told: who comes at once waits instead of being refused
    print(sockets[0].getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
