"""Data sets, models, experiments, lineage and artifacts over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.registry.cells import json_cell
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.experiments import DEFAULT_POINTS, Experiments
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.registry.model import Lineage, NewModelVersion
from aiplatform.registry.models import Models
from aiplatform.registry.version_changes import RowFate
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

Answer = dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DatasetBody(_Body):
    """A data set version to make."""

    name: str
    artifact_path: str
    """Path of an uploaded Parquet file with the rows."""

    licence: Annotated[str, Field(max_length=1000)] = ""
    """Licence of the data, best as an SPDX expression."""

    source: Annotated[str, Field(max_length=10_000)] = ""
    """Where the data come from."""

    description: Annotated[str, Field(max_length=10_000)] = ""


class LineageBody(_Body):
    """What a model version descends from."""

    training_run_id: str | None = None
    mlflow_run_id: str | None = None
    datasets: list[str] = []
    """References with versions, `python-faq@3`."""

    checkpoint_path: str | None = None
    parent_models: list[str] = []


class ModelVersionBody(_Body):
    """A model version to register."""

    source: str
    """Where its files lie, an `mlflow-artifacts:` address."""

    description: Annotated[str, Field(max_length=10_000)] = ""
    loader: str | None = None
    """`module:Class` that makes the model from its folder."""

    signature: dict[str, Any] | None = None
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    lineage: LineageBody = LineageBody()
    alias: str | None = None
    """Alias that shall point at it at once."""

    idempotency_key: str | None = None
    """The same key again answers with the version that it made."""


class PromotionBody(_Body):
    """Which alias shall point at a version."""

    alias: str
    expected: int | None = None
    """The version that the alias is believed to point at; another one there is a conflict."""


def build_routes(datasets: Datasets, models: Models, experiments: Experiments, lineage: LineageGraph) -> Routes:
    """The routes of the registry but those of artifacts."""
    routes = Routes(tags=["registry"])
    _add_datasets(routes, datasets)
    _add_models(routes, models)
    _add_experiments(routes, experiments)

    @routes.get("/api/v1/lineage", permission=Permission.MODELS_READ)
    def get_lineage(kind: NodeKind, reference: str, caller: CallerDep) -> Answer:
        """What a data set, run or model was made from, and what was made from it."""
        return asdict(lineage.neighbours(caller, Node(kind=kind, reference=reference)))

    return routes


def _shown(value: Any) -> Answer:
    """A value as JSON, in which a metric that is no finite number is null."""
    shown: Answer = json_cell(asdict(value))
    return shown


def _add_datasets(routes: Routes, datasets: Datasets) -> None:
    @routes.post("/api/v1/datasets", permission=Permission.DATASETS_WRITE, status_code=201)
    def create_dataset(body: DatasetBody, caller: CallerDep) -> Answer:
        """Make the next version of a data set from an uploaded Parquet file."""
        made = datasets.create_version(
            caller,
            body.name,
            body.artifact_path,
            licence=body.licence,
            source=body.source,
            description=body.description,
        )
        return asdict(made)

    @routes.get("/api/v1/datasets", permission=Permission.DATASETS_READ)
    def list_datasets(caller: CallerDep) -> Answer:
        """Every data set of the project with its newest version."""
        return {"items": [asdict(dataset) for dataset in datasets.list(caller)], "next": None}

    @routes.get("/api/v1/datasets/{name}/versions", permission=Permission.DATASETS_READ)
    def list_dataset_versions(name: str, caller: CallerDep) -> Answer:
        """Every version of a data set, the newest first."""
        return {"items": [asdict(version) for version in datasets.versions(caller, name)], "next": None}

    @routes.get("/api/v1/datasets/{name}/versions/{version}", permission=Permission.DATASETS_READ)
    def get_dataset_version(name: str, version: str, caller: CallerDep) -> Answer:
        """One version; `latest` is the newest."""
        return asdict(datasets.get(caller, f"{name}@{version}"))

    @routes.get("/api/v1/datasets/{name}/versions/{version}/rows", permission=Permission.DATASETS_READ)
    def get_dataset_rows(
        name: str,
        version: str,
        caller: CallerDep,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Answer:
        """Some rows of a version."""
        return asdict(datasets.rows(caller, f"{name}@{version}", offset=offset, limit=limit))

    @routes.get("/api/v1/datasets/{name}/changes", permission=Permission.DATASETS_READ)
    def get_dataset_changes(
        name: str,
        caller: CallerDep,
        before: Annotated[int, Query(ge=1)],
        after: Annotated[int, Query(ge=1)],
        fate: RowFate | None = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Answer:
        """What became of the rows from one version to another; changed ones first."""
        found = datasets.changes(caller, f"{name}@{before}", f"{name}@{after}", fate=fate, offset=offset, limit=limit)
        return asdict(found)


def _add_models(routes: Routes, models: Models) -> None:
    @routes.get("/api/v1/models", permission=Permission.MODELS_READ)
    def list_models(caller: CallerDep) -> Answer:
        """Every registered model of the project."""
        return {"items": [asdict(model) for model in models.list(caller)], "next": None}

    @routes.get("/api/v1/models/{name}", permission=Permission.MODELS_READ)
    def get_model(name: str, caller: CallerDep) -> Answer:
        """One model with its aliases."""
        return _shown(models.get(caller, name))

    @routes.get("/api/v1/models/{name}/versions", permission=Permission.MODELS_READ)
    def list_model_versions(name: str, caller: CallerDep) -> Answer:
        """Every version of a model, the newest first."""
        return {"items": [_shown(version) for version in models.versions(caller, name)], "next": None}

    @routes.get("/api/v1/models/{name}/versions/{version}", permission=Permission.MODELS_READ)
    def get_model_version(name: str, version: str, caller: CallerDep) -> Answer:
        """One version by its number, an alias, or `latest`."""
        return _shown(models.version(caller, f"{name}@{version}"))

    @routes.post("/api/v1/models/{name}/versions", permission=Permission.MODELS_WRITE, status_code=201)
    def register_model_version(name: str, body: ModelVersionBody, caller: CallerDep) -> Answer:
        """Register the next version of a model; the model is made where there is none."""
        new = NewModelVersion(
            name=name,
            source=body.source,
            description=body.description,
            loader=body.loader,
            signature=body.signature,
            metrics=body.metrics,
            tags=body.tags,
            lineage=Lineage(
                training_run_id=body.lineage.training_run_id,
                mlflow_run_id=body.lineage.mlflow_run_id,
                datasets=tuple(body.lineage.datasets),
                checkpoint_path=body.lineage.checkpoint_path,
                parent_models=tuple(body.lineage.parent_models),
            ),
            alias=body.alias,
            idempotency_key=body.idempotency_key,
        )
        return _shown(models.register(caller, new))

    @routes.post("/api/v1/models/{name}/versions/{version}:promote", permission=Permission.MODELS_WRITE)
    def promote_model_version(name: str, version: str, body: PromotionBody, caller: CallerDep) -> Answer:
        """Let an alias point at a version."""
        return _shown(models.promote(caller, f"{name}@{version}", alias=body.alias, expected=body.expected))

    @routes.delete("/api/v1/models/{name}/aliases/{alias}", permission=Permission.MODELS_WRITE, status_code=204)
    def delete_model_alias(name: str, alias: str, caller: CallerDep) -> None:
        """Take an alias away."""
        models.demote(caller, name, alias=alias)


def _add_experiments(routes: Routes, experiments: Experiments) -> None:
    @routes.get("/api/v1/experiments", permission=Permission.EXPERIMENTS_READ)
    def list_experiments(caller: CallerDep) -> Answer:
        """Every experiment of the project, the newest first."""
        return {"items": [asdict(experiment) for experiment in experiments.list(caller)], "next": None}

    @routes.get("/api/v1/experiments/runs/{run_id}", permission=Permission.EXPERIMENTS_READ)
    def get_experiment_run(run_id: str, caller: CallerDep) -> Answer:
        """One run with parameters, last metrics and tags."""
        return _shown(experiments.run(caller, run_id))

    @routes.get("/api/v1/experiments/runs/{run_id}/metrics", permission=Permission.EXPERIMENTS_READ)
    def get_metric_history(
        run_id: str, key: str, caller: CallerDep, limit: Annotated[int, Query(ge=4, le=5000)] = DEFAULT_POINTS
    ) -> Answer:
        """The history of one metric, thinned so that no peak is lost."""
        return _shown(experiments.history(caller, run_id, key, limit=limit))

    @routes.get("/api/v1/experiments/{experiment_id}", permission=Permission.EXPERIMENTS_READ)
    def get_experiment(experiment_id: str, caller: CallerDep) -> Answer:
        """One experiment."""
        return asdict(experiments.get(caller, experiment_id))

    @routes.get("/api/v1/experiments/{experiment_id}/runs", permission=Permission.EXPERIMENTS_READ)
    def list_experiment_runs(
        experiment_id: str,
        caller: CallerDep,
        query: str = "",
        order_by: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        token: str | None = None,
    ) -> Answer:
        """Runs of an experiment, in MLflow's search language."""
        page = experiments.runs(caller, [experiment_id], query=query, order_by=order_by, limit=limit, token=token)
        return {"items": [_shown(run) for run in page.runs], "next": page.next_token}
