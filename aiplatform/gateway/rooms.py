"""The wiring of every room, for the process that answers for all of them and for the worker."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Final

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.service import CallService
from aiplatform.eval.calling.store import CallStore
from aiplatform.eval.judging.service import JudgeService
from aiplatform.eval.judging.store import CalibrationStore
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.service import OnlineEvaluation
from aiplatform.eval.online.store import OnlineStore
from aiplatform.eval.online.worker import OnlineWorker
from aiplatform.eval.reviewing.service import Reviews
from aiplatform.eval.reviewing.store import ReviewStore
from aiplatform.eval.service import EvaluationService
from aiplatform.eval.store import EvaluationStore
from aiplatform.gateway.model_keys import ModelKeys
from aiplatform.gateway.services import TRUSTED_TENANT, Services
from aiplatform.jobs.keys import TenancyJobKeys
from aiplatform.jobs.ray_rest import RayJobRunner
from aiplatform.jobs.secrets import LocalSecretPlace
from aiplatform.jobs.service import JobCluster, Jobs
from aiplatform.jobs.store import JobStore
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.from_traces import TraceCollector
from aiplatform.registry.lineage import LineageGraph
from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.models import Models
from aiplatform.registry.sealing import CallerSeal
from aiplatform.serve.service import Deployments
from aiplatform.serve.versions import RegisteredVersions
from aiplatform.train.service import TrainingRuns
from aiplatform.train.store import TrainingStore
from aiplatform.ui.site import UiServices

RAY_ADDRESS_VARIABLE: Final = "RAY_API_SERVER_ADDRESS"
RAY_TOKEN_VARIABLE: Final = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 - the name of a variable


class Rooms(Services):
    """The services of every room."""

    @cached_property
    def mlflow_door(self) -> MlflowDoor:
        """The way to the hosted MLflow."""
        return self._kept(MlflowDoor(self.inner_url, read_seal(self)))

    @cached_property
    def lineage(self) -> LineageGraph:
        """What was made from what."""
        return LineageGraph(self.database)

    @cached_property
    def datasets(self) -> Datasets:
        """Data set versions."""
        return Datasets(self.database, self.artifacts)

    @cached_property
    def models(self) -> Models:
        """Registered models."""
        return Models(self.database, self.mlflow_door, self.lineage)

    @cached_property
    def collector(self) -> TraceCollector:
        """Data sets from traces."""
        return TraceCollector(self.traces, self.datasets, self.artifacts, self.lineage)

    @cached_property
    def experiments(self) -> Experiments:
        """What was tried."""
        return Experiments(self.mlflow_door)

    @cached_property
    def jobs(self) -> Jobs:
        """Jobs on the platform's own cluster."""
        return Jobs(
            JobStore(self.database),
            JobCluster(tenant_id=TRUSTED_TENANT, runner=RayJobRunner(_ray_address(), _ray_token), url=self.inner_url),
            keys=TenancyJobKeys(self.tenancy.keys),
            secrets=LocalSecretPlace(self.state_dir / "jobs"),
            files=self.artifacts,
        )

    @cached_property
    def training(self) -> TrainingRuns:
        """Training runs."""
        return TrainingRuns(TrainingStore(self.database), self.jobs, self.lineage)

    @cached_property
    def evaluations(self) -> EvaluationService:
        """Evaluation runs and comparisons."""
        return EvaluationService(
            EvaluationStore(self.database),
            self.artifacts,
            self.jobs,
            calibrations=CalibrationStore(self.database),
        )

    @cached_property
    def judges(self) -> JudgeService:
        """Judges, and how they compare with people."""
        return JudgeService(CalibrationStore(self.database), self.evaluations, self.artifacts, self.reviews)

    @cached_property
    def reviews(self) -> Reviews:
        """Queues of answers that people judge."""
        return Reviews(ReviewStore(self.database), self.evaluations, self.artifacts, self.traces)

    @cached_property
    def online(self) -> OnlineEvaluation:
        """Rules by which live traces are scored."""
        return OnlineEvaluation(OnlineStore(self.database), self.judge_endpoints)

    @cached_property
    def judge_endpoints(self) -> JudgeEndpoints:
        """Whom the judges of live traces are asked."""
        return JudgeEndpoints(self.inner_url, ModelKeys(self.tenancy))

    def online_worker(self) -> OnlineWorker:
        """What carries the rules out; one a worker."""
        return OnlineWorker(OnlineStore(self.database), self.traces, self.judge_endpoints, self.reviews)

    @cached_property
    def evaluation_calls(self) -> CallService:
        """Answers that evaluations have paid for."""
        return CallService(CallStore(self.database))

    @cached_property
    def deployments(self) -> Deployments:
        """Deployments."""
        from aiplatform.serve.compute import RayCapacity  # noqa: PLC0415 - loads Ray

        return Deployments(
            self.deployment_store,
            capacity=RayCapacity(),
            versions=RegisteredVersions(self.models),
            trusted_tenant=TRUSTED_TENANT,
        )

    def for_pages(self) -> UiServices:
        """What the pages show."""
        return UiServices(
            tenancy=self.tenancy,
            traces=self.traces,
            evaluations=self.evaluations,
            judges=self.judges,
            reviews=self.reviews,
            online=self.online,
            datasets=self.datasets,
            models=self.models,
            experiments=self.experiments,
            lineage=self.lineage,
            collector=self.collector,
            deployments=self.deployments,
            url=self.settings.url,
        )


def read_seal(services: Services) -> CallerSeal:
    """How control-plane processes tell the hosted MLflow for whom they ask."""
    return CallerSeal((services.state_dir / "control-secret").read_text(encoding="utf-8").strip())


def _ray_address() -> str:
    address = os.environ.get(RAY_ADDRESS_VARIABLE)
    if not address:
        raise ConfigError(
            N_("The address of Ray's interface is not known: {variable} is not set."),
            hint=N_("`aiplatform up` sets it; in a cluster the pod's environment does."),
            reason="jobs.no_ray",
            variable=RAY_ADDRESS_VARIABLE,
        )
    return address


def _ray_token() -> str | None:
    file = os.environ.get(RAY_TOKEN_VARIABLE)
    return Path(file).read_text(encoding="utf-8").strip() if file else None
