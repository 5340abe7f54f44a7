"""Which TCP ports are free, and who has those that are not."""

from __future__ import annotations

import socket

import psutil

from aiplatform.core.errors import ConfigError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.runtime.model import Ports, candidate_blocks


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen at `host` and `port`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_block(mark: str) -> Ports:
    """The first block of ports whose fixed ones are all free.

    Raises:
        TransientError: There is none.
    """
    for ports in candidate_blocks(mark):
        if all(is_free("127.0.0.1", port) for port in ports.fixed()):
            return ports
    raise TransientError(
        N_("Ray finds no block of free ports between 20000 and 30239."),
        hint=N_("Stop what listens there, or another installation of the platform (`aiplatform down`)."),
        reason="runtime.no_ports",
    )


def require_free(host: str, port: int) -> None:
    """Nothing, where the platform can listen there.

    Raises:
        ConfigError: Another process does, or the address is none of this machine's.
    """
    if is_free(host, port):
        return
    if not _is_own_address(host):
        raise ConfigError(
            N_("This machine has no address {host!r} to listen at."),
            hint=N_("Set server.host to 127.0.0.1, or to an address that `ip addr` shows."),
            reason="up.no_such_address",
            host=host,
        )
    owner = _listener(port)
    raise ConfigError(
        N_("Port {port} on {host} is in use by {owner}."),
        hint=N_("Stop it, or choose another port: `aiplatform up --port {other}`, or server.port in aiplatform.toml."),
        reason="up.port_in_use",
        port=port,
        host=host,
        owner=owner or N_("another process"),
        other=_next_free(host, port),
    )


def _is_own_address(host: str) -> bool:
    return is_free(host, 0)


def _next_free(host: str, port: int) -> int:
    return next((other for other in range(port + 1, min(port + 200, 65536)) if is_free(host, other)), 0)


def _listener(port: int) -> str | None:
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                return None
            try:
                return f"{psutil.Process(connection.pid).name()} ({connection.pid})"
            except psutil.Error:
                return str(connection.pid)
    return None
