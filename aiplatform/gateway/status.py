"""How an installation on this machine is right now."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import psutil

from aiplatform.core.errors import AIPlatformError
from aiplatform.gateway.installation import Installation
from aiplatform.gateway.lifecycle import running_state, serve_rest
from aiplatform.runtime import processes, state
from aiplatform.runtime.serve_rest import Application


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatus:
    """What can be told from outside."""

    url: str
    is_ready: bool
    """Whether it answers and its database does."""

    is_ray_alive: bool
    started_ns: int | None
    version: str | None
    dashboard_url: str | None
    otlp_grpc_address: str | None
    """`host:port` that takes OTLP by gRPC; HTTP takes it at `url`."""

    num_processes: int
    memory_bytes: int
    """Proportional set size of all processes: memory that several share is counted once."""

    applications: tuple[Application, ...]
    problem: str | None = None


def look(here: Installation) -> PlatformStatus:
    """Ask processes, Ray, Serve and the platform itself; what does not answer is told, not raised."""
    remembered, running = state.load(here.home), running_state(here)
    applications: tuple[Application, ...] = ()
    problem = None
    if running is not None:
        rest = serve_rest(here, running)
        try:
            applications = tuple(rest.applications().values())
        except AIPlatformError as error:
            problem = str(error)
        finally:
            rest.close()
    found = processes.find_marked(here.home.mark)
    return PlatformStatus(
        url=here.settings.url if remembered is None else _url(here, remembered.http_port),
        is_ready=running is not None and _answers(_url(here, running.http_port)),
        is_ray_alive=running is not None,
        started_ns=remembered.started_ns if remembered is not None and found else None,
        version=remembered.version if remembered is not None and found else None,
        dashboard_url=running.dashboard_url if running is not None else None,
        otlp_grpc_address=running.otlp_grpc_address if running is not None else None,
        num_processes=len(found),
        memory_bytes=sum(_memory_bytes(process) for process in found),
        applications=applications,
        problem=problem,
    )


def _url(here: Installation, port: int) -> str:
    return here.local_url.rpartition(":")[0] + f":{port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _memory_bytes(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except (psutil.Error, OSError):
        return 0
    return int(getattr(info, "pss", info.rss))
