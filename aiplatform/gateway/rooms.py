"""The wiring of every room, for the process that answers for all of them and for the worker."""

from __future__ import annotations

from functools import cached_property

from aiplatform.gateway.services import TRUSTED_TENANT, Services
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.lineage import LineageGraph
from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.models import Models
from aiplatform.registry.sealing import CallerSeal
from aiplatform.serve.service import Deployments
from aiplatform.serve.versions import RegisteredVersions


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
    def models(self) -> Models:
        """Registered models."""
        return Models(self.database, self.mlflow_door, self.lineage)

    @cached_property
    def experiments(self) -> Experiments:
        """What was tried."""
        return Experiments(self.mlflow_door)

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


def read_seal(services: Services) -> CallerSeal:
    """How control-plane processes tell the hosted MLflow for whom they ask."""
    return CallerSeal((services.state_dir / "control-secret").read_text(encoding="utf-8").strip())
