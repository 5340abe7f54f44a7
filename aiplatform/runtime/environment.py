"""The environment of Ray's processes: what they inherit, what they must not, and how Ray is told to be small and local.

Whatever runs on the platform's Ray inherits this environment, a tenant's job too. So nothing of the control plane is in
it: no database address, no settings, no password. Jobs get the platform's address and a key file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from aiplatform.runtime.model import MARK_VARIABLE, Ports, RayHome

_KEPT_OUT: Final = (
    "AIPLATFORM_",
    "RAY_",
    "__RAY_",
    "PG",
    "POSTGRES",
    "DATABASE_URL",
    "SQLALCHEMY_",
    "MLFLOW_",
    "DASHBOARD_",
)
SETUP_HOOK: Final = "aiplatform.runtime.loopback.keep_grpc_on_loopback"
START_HOOK: Final = "aiplatform.runtime.start_hook.keep_small"


def head_environment(
    inherited: Mapping[str, str],
    *,
    home: RayHome,
    ports: Ports,
    num_cpus: int,
    bin_dir: Path,
    url: str,
    service_key_file: Path,
    haproxy_binary: Path,
    secrets: Iterable[str] = (),
) -> dict[str, str]:
    """The environment that Ray is started with.

    Args:
        inherited: The environment of who starts it; variables that may carry the control plane's secrets are left out.
        home: Folders of this Ray.
        ports: Ports of this Ray.
        num_cpus: Logical CPUs.
        bin_dir: The Python environment's `bin`, first on the path, so that an entrypoint finds its `python`.
        url: The platform's address.
        service_key_file: File of the key that work without a key of its own acts with.
        haproxy_binary: Program that stands for HAProxy.
        secrets: Values that no variable may contain.
    """
    hidden = [secret for secret in secrets if secret]
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_KEPT_OUT) and not any(secret in value for secret in hidden)
    }
    return {
        **kept,
        "PATH": os.pathsep.join([str(bin_dir), *_path_without(kept.get("PATH", os.defpath), bin_dir)]),
        MARK_VARIABLE: home.mark,
        # A process title written over the environment would hide the mark.
        "SPT_NOENV": "1",
        "AIPLATFORM_URL": url,
        "AIPLATFORM_KEY_FILE": str(service_key_file),
        **_ray(home, ports),
        **_serve(home, ports, num_cpus, haproxy_binary),
    }


def client_environment(home: RayHome, dashboard_url: str) -> dict[str, str]:
    """What `ray job submit` and the Ray dashboard's clients need to reach this Ray."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(home.token_file),
        "RAY_API_SERVER_ADDRESS": dashboard_url,
    }


def _path_without(path: str, bin_dir: Path) -> list[str]:
    return [part for part in path.split(os.pathsep) if part and part != str(bin_dir)]


def _ray(home: RayHome, ports: Ports) -> dict[str, str]:
    return {
        **client_environment(home, f"http://127.0.0.1:{ports.dashboard}"),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Without clusters of several machines every process takes 127.0.0.1 for its node's address and binds it.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_START_HOOK": START_HOOK,
        "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR": SETUP_HOOK,
        # Idle workers kept ready cost 100 MB each; the first task of a burst starts a second later instead.
        "RAY_prestart_worker_first_driver": "0",
        "RAY_enable_worker_prestart": "0",
        "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",
        # Ray's metrics name tenants' applications and jobs, and their port asks nobody for a token.
        "RAY_enable_metrics_collection": "0",
        "DASHBOARD_METRIC_PORT": str(ports.dashboard_metrics),
    }


def _serve(home: RayHome, ports: Ports, num_cpus: int, haproxy_binary: Path) -> dict[str, str]:
    folder = home.haproxy_dir
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(haproxy_binary),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.haproxy_metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.haproxy_stats),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, num_cpus)),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replica_http.start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replica_http.stop - 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ports.replica_grpc.start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ports.replica_grpc.stop - 1),
        # How long an old replica stays after its successor answers; by default half a minute, for other load balancers.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }
