"""Bringing an installation up and down. Both may be repeated, and both mend what a crash left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from aiplatform import __version__
from aiplatform.core.errors import AIPlatformError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.gateway import bootstrap
from aiplatform.gateway.installation import Installation, exclusive, make_folders
from aiplatform.gateway.report import Report, Step
from aiplatform.gateway.restoring import wait_restored, wanted_deployments
from aiplatform.gateway.serve_config import APPLICATIONS, ServePlan, serve_config
from aiplatform.gateway.settings_file import fingerprint, write_settings
from aiplatform.runtime import head, processes, state
from aiplatform.runtime.environment import head_environment
from aiplatform.runtime.model import RayState
from aiplatform.runtime.ports_in_use import choose_block, require_free
from aiplatform.runtime.serve_rest import Application, ApplicationStatus, ServeRest

APPLICATIONS_TIMEOUT_S: Final = 360.0
READY_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A platform that answers."""

    url: str
    sign_in_url: str
    key_file: Path
    was_running: bool
    seconds: float


def up(here: Installation, report: Report, *, environment: Mapping[str, str] | None = None) -> Ready:
    """Bring the platform up, or tell that it is; whatever of it is missing is mended.

    Args:
        here: The installation.
        report: Where steps are shown.
        environment: What its processes inherit; by default this process's own.

    Raises:
        AIPlatformError: It cannot; the error says why and what to do.
    """
    began = time.monotonic()
    inherited = os.environ if environment is None else environment
    make_folders(here)
    with exclusive(here):
        running = _reusable(here, report)
        if running is None:
            require_free(here.settings.server.host, here.settings.server.port)
        with report.step(N_("database")) as step:
            bootstrap.prepare(here, step)
        write_settings(here.settings_file, here.settings)
        if running is not None and not _is_mended(here, running, report):
            running = None
        if running is None:
            _start_all(here, report, inherited)
        sign_in_url = bootstrap.sign_in_url(here)
    return Ready(
        url=here.settings.url,
        sign_in_url=sign_in_url,
        key_file=here.owner_key_file,
        was_running=running is not None,
        seconds=time.monotonic() - began,
    )


def down(here: Installation) -> int:
    """End every process of the installation, whatever state it is in; returns how many there were. Data stay.

    Raises:
        TransientError: Some process does not end.
    """
    if not here.home.data_dir.exists():
        return 0
    with exclusive(here):
        return _stop(here)


def running_state(here: Installation) -> RayState | None:
    """What is remembered of a Ray of this installation that is alive; None where none is."""
    remembered = state.load(here.home)
    if remembered is None or remembered.mark != here.home.mark or not processes.find_marked(here.home.mark):
        return None
    return remembered if head.is_alive(remembered.dashboard_url) else None


def _reusable(here: Installation, report: Report) -> RayState | None:
    """A Ray that lives and was started with these settings; anything else of ours is ended."""
    running = running_state(here)
    if running is not None and running.fingerprint == fingerprint(here.settings):
        return running
    if running is not None:
        report.note(N_("Settings or version have changed: the platform starts anew."))
        _stop(here)
    elif state.load(here.home) is not None or processes.find_marked(here.home.mark):
        ended = _stop(here)
        report.note(N_("The platform had not been stopped in order; {count} processes of it were ended."), count=ended)
    return None


def _is_mended(here: Installation, running: RayState, report: Report) -> bool:
    """Whether everything that should run on a living Ray does, or does again; else it is ended."""
    try:
        _run_applications(here, running, report)
    except AIPlatformError as error:
        report.note(N_("What runs cannot be mended, so it starts anew: {problem}"), problem=str(error))
        _stop(here)
        return False
    return True


def _start_all(here: Installation, report: Report, inherited: Mapping[str, str]) -> None:
    try:
        started = _start_ray(here, report, inherited)
        _run_applications(here, started, report)
    except BaseException:
        _stop(here)
        raise
    if wanted_deployments(here):
        with report.step(N_("deployments")) as step:
            wait_restored(here, step, since_ns=started.started_ns)


def _run_applications(here: Installation, running: RayState, report: Report) -> None:
    with report.step(N_("applications")) as step:
        _deploy(here, running, step)
        _wait_ready(here)


def _stop(here: Installation) -> int:
    ended = head.stop(here.home)
    state.forget(here.home)
    return ended


def _start_ray(here: Installation, report: Report, inherited: Mapping[str, str]) -> RayState:
    settings, home = here.settings, here.home
    num_cpus = settings.ray.num_cpus or head.num_cpus_here()
    with report.step(N_("Ray")) as step:
        ports = choose_block(home.mark)
        state.ensure_token(home)
        environment = head_environment(
            inherited,
            home=home,
            ports=ports,
            num_cpus=num_cpus,
            bin_dir=Path(sys.executable).parent,
            url=here.local_url,
            service_key_file=here.service_key_file,
            haproxy_binary=head.haproxy_wrapper(home),
            secrets=_secrets(here),
        )
        command = head.start_command(home, ports, num_cpus=num_cpus, object_store_mb=settings.ray.object_store_mb)
        started = RayState(
            mark=home.mark,
            temp_dir=str(home.temp_dir),
            port_base=ports.base,
            http_host=settings.server.host,
            http_port=settings.server.port,
            fingerprint=fingerprint(settings),
            version=__version__,
            started_ns=time.time_ns(),
        )
        # Remembered before it starts, so that whatever happens now can be found and ended.
        state.save(home, started)
        head.start(home, command, environment)
        memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
        step.result(N_("1 node, {num_cpus} CPUs, {memory:.0f} GiB"), num_cpus=num_cpus, memory=memory_gib)
    return started


def serve_rest(here: Installation, started: RayState) -> ServeRest:
    """Serve's interface on the installation's Ray."""
    return ServeRest(started.dashboard_url, state.ensure_token(here.home))


def own_plan(here: Installation, started: RayState) -> ServePlan:
    """What Serve shall run of the platform itself."""
    return ServePlan(
        host=here.settings.server.host,
        port=here.settings.server.port,
        settings_file=here.settings_file,
        logs_dir=here.home.logs_dir / "serve",
        applications=APPLICATIONS,
        grpc_address=started.otlp_grpc_address,
    )


def _deploy(here: Installation, started: RayState, step: Step) -> None:
    names = [one.name for one in APPLICATIONS]
    rest = serve_rest(here, started)
    try:
        now = rest.applications()
        if not all(name in now and now[name].status is ApplicationStatus.RUNNING for name in names):
            step.tell(N_("starting Serve"))
            rest.deploy(serve_config(own_plan(here, started)))

        def on_change(application: Application) -> None:
            step.tell(N_("{name}: {status}"), name=application.name, status=application.status.lower())

        rest.wait_running(names, timeout_s=APPLICATIONS_TIMEOUT_S, on_change=on_change)
    finally:
        rest.close()
    step.result(N_("{names}"), names=", ".join(names))


def _wait_ready(here: Installation) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    problem = ""
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{here.local_url}/readyz", timeout=5.0, trust_env=False)
            if answer.status_code == httpx.codes.OK:
                return
            problem = f"{answer.status_code} {answer.text[:200]}"
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        time.sleep(_POLL_S)
    raise TransientError(
        N_("The platform does not answer at {url}: {problem}."),
        hint=N_("`aiplatform logs platform` tells why."),
        reason="up.not_ready",
        url=here.local_url,
        problem=problem,
    )


def _secrets(here: Installation) -> list[str]:
    """Values that must not reach the environment of jobs."""
    url = here.settings.database.url
    return [] if url is None else [url.get_secret_value()]
