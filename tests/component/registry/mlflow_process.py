"""The hosted MLflow in a process of its own, as a replica holds it."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from aiplatform.core.settings import Settings
from aiplatform.gateway.mlflow_app import build_mlflow
from aiplatform.gateway.services import Services


def main(database_url: str, folder: Path, secret: str) -> None:
    """Serve until ended; prints the port. Requests of OTLP may hold 1 MiB."""
    home = folder / "mlflow-home"
    (home / "state").mkdir(parents=True)
    (home / "state" / "control-secret").write_text(secret)
    settings = Settings.model_validate(
        {"data_dir": home, "database": {"url": database_url}, "ingest": {"max_body_mb": 1}}
    )
    app = build_mlflow(Services(settings))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    sockets = [config.bind_socket()]
    sockets[0].listen()  # before the port is told: who comes at once waits instead of being refused
    print(sockets[0].getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
