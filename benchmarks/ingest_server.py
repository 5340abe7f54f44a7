"""The two servers that `ingest.py` compares, each in one process: `ours|mlflow FOLDER PORT [DATABASE]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import uvicorn


def serve_ours(folder: Path, port: int, database_url: str) -> None:
    """Our door: authentication, `/v1/traces`, SQLite with every commit on disk before it is acknowledged.

    With an address, another database instead of SQLite.
    """
    from aiplatform.core.settings import load
    from aiplatform.gateway.door_app import build_door
    from aiplatform.gateway.services import Services
    from aiplatform.storage.migrate import migrate

    flags: dict[str, Any] = {"data_dir": folder, "server.port": port}
    if database_url:
        flags["database.url"] = database_url
    services = Services(load(flags=flags).settings)
    migrate(services.database)
    made = services.tenancy.directory.ensure_default(None)
    if made is None:
        raise RuntimeError("the folder is not empty")
    (folder / "key").write_text(made.text, encoding="utf-8")
    uvicorn.run(build_door(services), host="127.0.0.1", port=port, log_level="warning", access_log=False)


def serve_mlflow(folder: Path, port: int) -> None:
    """MLflow's own server application on SQLite, one worker, job workers off (as installed it starts thirteen more)."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (folder / "artifacts").as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    from mlflow.server.fastapi_app import app

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    kind, where, number, *more = sys.argv[1:]
    Path(where).mkdir(parents=True, exist_ok=True)
    if kind == "ours":
        serve_ours(Path(where), int(number), "".join(more))
    else:
        serve_mlflow(Path(where), int(number))
