"""Models from Python: `aip.models.register(run.best_checkpoint, name="qa")`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.registry.mlflow_rest import SCHEME, mlflow_of
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.registry.model import Lineage, ModelVersion, RegisteredModel, parse_reference

__all__ = ["demote", "download", "get", "list", "promote", "register", "versions"]


def register(
    source: str | Path,
    *,
    name: str,
    alias: str | None = None,
    description: str = "",
    loader: str | None = None,
    signature: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    training_run_id: str | None = None,
    mlflow_run_id: str | None = None,
    datasets: Sequence[str] = (),
    checkpoint_path: str | None = None,
    parent_models: Sequence[str] = (),
    idempotency_key: str | None = None,
    client: Client | None = None,
) -> ModelVersion:
    """Register a folder, a file or a checkpoint as the next version of a model.

    Args:
        source: A local folder or file, which is uploaded, or an `mlflow-artifacts:` address such as a training run's
            `best_checkpoint`.
        name: The model's name; it is made where there is none.
        alias: Alias that shall point at the new version at once.
        description: What is new in it.
        loader: `module:Class` that makes the model from its folder when it is served.
        signature: What it takes and gives, free-form.
        metrics: What was measured of it.
        tags: Free-form texts.
        training_run_id: The training run that made it.
        mlflow_run_id: The MLflow run that made it.
        datasets: References of the data it was trained on, with versions.
        checkpoint_path: The checkpoint that it was made from.
        parent_models: Model versions that it was trained on.
        idempotency_key: A second registration with the same key answers with the first one's version.
        client: By default one made from the environment.
    """
    client = client or Client()
    key = idempotency_key or new_id("reg")
    body = {
        "source": _uploaded(source, name, key, client),
        "alias": alias,
        "description": description,
        "loader": loader,
        "signature": None if signature is None else dict(signature),
        "metrics": dict(metrics or {}),
        "tags": dict(tags or {}),
        "idempotency_key": key,
        "lineage": {
            "training_run_id": training_run_id,
            "mlflow_run_id": mlflow_run_id,
            "datasets": [*datasets],
            "checkpoint_path": checkpoint_path,
            "parent_models": [*parent_models],
        },
    }
    return _version(client.post(f"/api/v1/models/{name}/versions", body, idempotent=True))


def get(reference: str, *, client: Client | None = None) -> ModelVersion:
    """The version that `name@3`, `name@champion` or `name` (its newest) names."""
    client = client or Client()
    wanted = parse_reference(reference)
    tail = wanted.version if wanted.version is not None else wanted.alias or "latest"
    return _version(client.get(f"/api/v1/models/{wanted.name}/versions/{tail}"))


def list(*, client: Client | None = None) -> tuple[RegisteredModel, ...]:  # noqa: A001 - a verb on a noun
    """Every model of the project, by name."""
    client = client or Client()
    return tuple(RegisteredModel(**item) for item in client.get("/api/v1/models")["items"])


def versions(name: str, *, client: Client | None = None) -> tuple[ModelVersion, ...]:
    """Every version of a model, the newest first."""
    client = client or Client()
    return tuple(_version(item) for item in client.get(f"/api/v1/models/{name}/versions")["items"])


def promote(
    version: ModelVersion | str, *, alias: str, expected: int | None = None, client: Client | None = None
) -> ModelVersion:
    """Let an alias point at a version.

    Args:
        version: A version or its reference.
        alias: `champion`.
        expected: The version that you believe the alias points at; another one there is a conflict.
        client: By default one made from the environment.
    """
    client = client or Client()
    found = get(version, client=client) if isinstance(version, str) else version
    body = {"alias": alias, "expected": expected}
    path = f"/api/v1/models/{found.name}/versions/{found.version}:promote"
    return _version(client.post(path, body, idempotent=True))


def demote(name: str, *, alias: str, client: Client | None = None) -> None:
    """Take an alias away from a model."""
    client = client or Client()
    client.delete(f"/api/v1/models/{name}/aliases/{alias}")


def download(version: ModelVersion | str, folder: str | Path | None = None, *, client: Client | None = None) -> Path:
    """Fetch a version's files into `folder`, by default a fresh temporary one; returns the folder."""
    client = client or Client()
    found = get(version, client=client) if isinstance(version, str) else version
    target = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix=f"aiplatform-{found.name}-"))
    return mlflow_of(client.credentials).download(found.source, target)


def _uploaded(source: str | Path, name: str, key: str, client: Client) -> str:
    if isinstance(source, str) and source.startswith(SCHEME):
        return source
    local = Path(source)
    if not local.exists():
        raise InvalidError(
            N_("There is nothing at {path!r} to register."),
            hint=N_("Name a folder, a file, or a training run's checkpoint."),
            reason="registry.no_source",
            path=str(source),
        )
    # MLflow lets a version's files lie only among a run's artifacts, so that it is known who put them there and when.
    runs, clock = MlflowRuns(mlflow_of(client.credentials)), SystemClock()
    tags = {"aiplatform.registers": name, "aiplatform.key": key}
    run_id = runs.start(runs.ensure_experiment(name), f"register {name}", started_ns=clock.now_ns(), tags=tags)
    status = "FAILED"
    try:
        address = runs.upload(run_id, local, "model" if local.is_dir() else f"model/{local.name}")
        status = "FINISHED"
    finally:
        runs.finish(run_id, status, ended_ns=clock.now_ns())
    return address if local.is_dir() else address.rpartition("/")[0]


def _version(item: Mapping[str, Any]) -> ModelVersion:
    lineage = dict(item["lineage"])
    lineage |= {key: tuple(lineage[key]) for key in ("datasets", "parent_models")}
    return ModelVersion(**{**item, "aliases": tuple(item["aliases"]), "lineage": Lineage(**lineage)})
