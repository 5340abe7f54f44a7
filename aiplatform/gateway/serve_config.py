"""The one generator of Serve's configuration: for the laptop, for `serve deploy`, and for a RayService.

Only host, resources and replicas differ between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.core.settings import FILE_VARIABLE

IMPORT_MODULE: Final = "aiplatform.gateway.ray_app"
KEEP_ALIVE_S: Final = 75
GRPC_VARIABLE: Final = "AIPLATFORM_RUN_GRPC_ADDRESS"
GRACEFUL_SHUTDOWN_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationPlan:
    """One of the platform's own Serve applications."""

    name: str
    route_prefix: str | None
    max_ongoing_requests: int
    num_replicas: int = 1
    num_cpus: float = 0.0
    """Zero, so that a two-core machine keeps its logical CPUs for Ray Data and Train."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of its processes beside the settings file's path. Serve's API shows them: never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePlan:
    """Everything that the generator needs."""

    host: str
    port: int
    settings_file: Path
    """File that only control-plane processes are told of; it holds the database's address."""

    logs_dir: Path
    applications: tuple[ApplicationPlan, ...]
    grpc_address: str | None = None
    """`host:port` where the door answers OTLP by gRPC beside HTTP; None for nowhere."""


# Our own code never blocks the event loop (blocking work goes to threads), so it may run in the replica's main loop:
# that saves a thread hop per request. Models are users' code and keep Serve's separate thread.
_OWN_LOOP: Final = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}

PLATFORM: Final = ApplicationPlan(name="platform", route_prefix="/", max_ongoing_requests=200, env=_OWN_LOOP)
DOOR: Final = ApplicationPlan(name="door", route_prefix="/v1", max_ongoing_requests=1000, env=_OWN_LOOP)
MLFLOW: Final = ApplicationPlan(name="mlflow", route_prefix="/mlflow", max_ongoing_requests=100, env=_OWN_LOOP)
WORKER: Final = ApplicationPlan(name="worker", route_prefix=None, max_ongoing_requests=8)

APPLICATIONS: Final = (PLATFORM, DOOR, MLFLOW, WORKER)


def serve_config(plan: ServePlan) -> dict[str, Any]:
    """What `PUT /api/serve/applications/` takes, and what stands in a RayService as `serveConfigV2`."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": plan.host, "port": plan.port, "keep_alive_timeout_s": KEEP_ALIVE_S},
        "logging_config": {"encoding": "JSON", "logs_dir": str(plan.logs_dir), "enable_access_log": False},
        "applications": [_application(one, plan) for one in plan.applications],
    }


def _grpc(one: ApplicationPlan, plan: ServePlan) -> dict[str, str]:
    return {GRPC_VARIABLE: plan.grpc_address} if one.name == DOOR.name and plan.grpc_address else {}


def _application(one: ApplicationPlan, plan: ServePlan) -> dict[str, Any]:
    return {
        "name": one.name,
        "route_prefix": one.route_prefix,
        "import_path": f"{IMPORT_MODULE}:{one.name}",
        "runtime_env": {"env_vars": {FILE_VARIABLE: str(plan.settings_file), **one.env, **_grpc(one, plan)}},
        "deployments": [
            {
                "name": one.name,
                "num_replicas": one.num_replicas,
                "max_ongoing_requests": one.max_ongoing_requests,
                "graceful_shutdown_timeout_s": GRACEFUL_SHUTDOWN_S,
                "health_check_period_s": 10.0,
                "health_check_timeout_s": 60.0,
                "ray_actor_options": {"num_cpus": one.num_cpus},
            }
        ],
    }
