"""The platform as jobs see it, in one process: management API, artifacts, hosted MLflow, jobs on a real Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from aiplatform.core.settings import Settings
from aiplatform.jobs.keys import TenancyJobKeys
from aiplatform.jobs.ray_rest import RayJobRunner
from aiplatform.jobs.routes import build_routes as build_job_routes
from aiplatform.jobs.secrets import LocalSecretPlace
from aiplatform.jobs.service import JobCluster, Jobs
from aiplatform.jobs.store import JobStore
from aiplatform.registry.artifact_routes import build_artifact_routes
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.lineage import LineageGraph
from aiplatform.registry.mlflow_app import PREFIX, MlflowStore, build_mlflow_app, mlflow_database_url
from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.models import Models
from aiplatform.registry.routes import build_routes as build_registry_routes
from aiplatform.registry.sealing import CallerSeal
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.middleware import AuthenticationMiddleware, secure
from aiplatform.tenancy.routing import attach
from aiplatform.tenancy.service import build_tenancy
from aiplatform.train.routes import build_routes as build_training_routes
from aiplatform.train.service import TrainingRuns
from aiplatform.train.store import TrainingStore


def build(database_url: str, folder: Path, ray_address: str, ray_token: str, url: str) -> ASGIApp:
    """Everything behind one address."""
    settings = Settings(data_dir=folder)
    database = Database(database_url)
    tenancy = build_tenancy(database, settings)
    seal = CallerSeal("of the tests")
    files = ArtifactStore(str(folder / "artifacts"))
    door, lineage = MlflowDoor(url, seal), LineageGraph(database)
    jobs = Jobs(
        JobStore(database),
        JobCluster(tenant_id="default", runner=RayJobRunner(ray_address, lambda: ray_token), url=url),
        keys=TenancyJobKeys(tenancy.keys),
        secrets=LocalSecretPlace(folder / "secrets"),
        files=files,
    )
    app = FastAPI()
    attach(
        app,
        [
            build_registry_routes(
                Datasets(database, files), Models(database, door, lineage), Experiments(door), lineage
            ),
            build_artifact_routes(files),
            build_job_routes(jobs),
            build_training_routes(TrainingRuns(TrainingStore(database), jobs, lineage)),
        ],
    )
    secure(app, tenancy.authenticator, settings)
    mlflow = build_mlflow_app(
        MlflowStore(database_url=mlflow_database_url(database_url), artifacts_url=(folder / "mlflow").as_uri()),
        protect=lambda inner: AuthenticationMiddleware(inner, tenancy.authenticator, settings),
        seal=seal,
    )

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        is_mlflow = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (mlflow if is_mlflow else app)(scope, receive, send)

    return route


def main(database_url: str, folder: str, ray_address: str, ray_token: str) -> None:
    """Serve until ended; prints the port."""
    config = uvicorn.Config(lambda *_: None, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    sockets = [config.bind_socket()]
    port = sockets[0].getsockname()[1]
    config.app = build(database_url, Path(folder), ray_address, ray_token, f"http://127.0.0.1:{port}")
    print(port, flush=True)
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main(*sys.argv[1:5])
