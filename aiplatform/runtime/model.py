"""What a local Ray is made of: its ports, its folders, and what is remembered of it between two commands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK_SIZE: Final = 128
FIRST_BLOCK: Final = 20_000
NUM_BLOCKS: Final = 80
_REPLICA_HTTP: Final = range(16, 96)
_REPLICA_GRPC: Final = range(96, 128)

MARK_VARIABLE: Final = "AIPLATFORM_RUN_MARK"
"""Every process of one installation carries it, so that `down` ends exactly these."""

LONGEST_SHORT_DIR: Final = 16
"""Characters: HAProxy takes sockets of 97, of which Serve's own names below this folder and ours take 81."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A block of TCP ports below the kernel's ephemeral range, all of one installation."""

    base: int

    @property
    def gcs(self) -> int:
        """Ray's control store: where drivers connect."""
        return self.base

    @property
    def dashboard(self) -> int:
        """Ray's HTTP interface: jobs, Serve, state."""
        return self.base + 1

    @property
    def dashboard_agent(self) -> int:
        """The node agent's HTTP interface."""
        return self.base + 2

    @property
    def dashboard_agent_grpc(self) -> int:
        """The node agent's gRPC interface."""
        return self.base + 3

    @property
    def runtime_env_agent(self) -> int:
        """What makes the environments of workers."""
        return self.base + 4

    @property
    def metrics_export(self) -> int:
        """Ray's metrics for Prometheus."""
        return self.base + 5

    @property
    def node_manager(self) -> int:
        """The raylet."""
        return self.base + 6

    @property
    def object_manager(self) -> int:
        """The raylet's object transfer."""
        return self.base + 7

    @property
    def dashboard_metrics(self) -> int:
        """The dashboard's own metrics."""
        return self.base + 8

    @property
    def haproxy_metrics(self) -> int:
        """HAProxy's metrics for Prometheus."""
        return self.base + 9

    @property
    def haproxy_stats(self) -> int:
        """HAProxy's statistics page."""
        return self.base + 10

    @property
    def fallback_http(self) -> int:
        """Serve's Python proxy, which HAProxy falls back to."""
        return self.base + 11

    @property
    def fallback_grpc(self) -> int:
        """The same for gRPC; open only where a gRPC service is configured."""
        return self.base + 12

    @property
    def otlp_grpc(self) -> int:
        """Where the door takes OTLP by gRPC."""
        return self.base + 13

    @property
    def replica_http(self) -> range:
        """Where the replicas of Serve applications answer HAProxy."""
        return range(self.base + _REPLICA_HTTP.start, self.base + _REPLICA_HTTP.stop)

    @property
    def replica_grpc(self) -> range:
        """The same for gRPC."""
        return range(self.base + _REPLICA_GRPC.start, self.base + _REPLICA_GRPC.stop)

    def fixed(self) -> range:
        """Ports that must be free before Ray starts."""
        return range(self.base, self.base + 14)


def mark_of(data_dir: Path) -> str:
    """The mark of the installation that keeps its data in `data_dir`."""
    return hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def candidate_blocks(mark: str) -> Iterator[Ports]:
    """Every block of ports, this installation's habitual one first."""
    first = int(mark[:8], 16)
    for offset in range(NUM_BLOCKS):
        yield Ports(FIRST_BLOCK + (first + offset) % NUM_BLOCKS * BLOCK_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayHome:
    """Where one installation keeps its Ray."""

    data_dir: Path
    mark: str
    temp_dir: Path
    """Ray's sessions, sockets and HAProxy's files; short, because Unix sockets need it, and gone after `down`."""

    @property
    def state_dir(self) -> Path:
        """What only the owner may read: state, tokens, keys."""
        return self.data_dir / "state"

    @property
    def state_file(self) -> Path:
        """What is remembered of the running Ray."""
        return self.state_dir / "ray.json"

    @property
    def token_file(self) -> Path:
        """The token that Ray's own interfaces ask for."""
        return self.state_dir / "ray-token"

    @property
    def logs_dir(self) -> Path:
        """Logs of applications and of the start."""
        return self.data_dir / "logs"

    @property
    def start_log(self) -> Path:
        """What `ray start` said."""
        return self.logs_dir / "ray-start.log"

    @property
    def haproxy_dir(self) -> Path:
        """HAProxy's configuration and sockets."""
        return self.temp_dir

    @property
    def spill_dir(self) -> Path:
        """Objects that memory does not hold."""
        return self.data_dir / "spilled"


def ray_home(data_dir: Path, *, short_dir: Path) -> RayHome:
    """The home of an installation's Ray.

    Args:
        data_dir: The platform's data folder.
        short_dir: A folder with a path of at most `LONGEST_SHORT_DIR` characters (`/tmp`), for what holds sockets.
    """
    data_dir = data_dir.resolve()
    mark = mark_of(data_dir)
    return RayHome(data_dir=data_dir, mark=mark, temp_dir=short_dir / f"aip-{mark[:6]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RayState:
    """What is remembered of a Ray that was started: enough to find it, ask it, and end it."""

    mark: str
    temp_dir: str
    port_base: int
    http_host: str
    http_port: int
    fingerprint: str
    """Of the settings it was started with; a difference means a restart."""

    version: str
    """Of the platform that started it."""

    started_ns: int

    @property
    def ports(self) -> Ports:
        """Its ports."""
        return Ports(self.port_base)

    @property
    def otlp_grpc_address(self) -> str:
        """`host:port` where OTLP is taken by gRPC: loopback, whatever the HTTP entry's address is."""
        return f"127.0.0.1:{self.ports.otlp_grpc}"

    @property
    def dashboard_url(self) -> str:
        """Where Ray's own HTTP interface answers."""
        return f"http://127.0.0.1:{self.ports.dashboard}"
